"""The fields that tell clients of their rates."""

from gateway.exchange.quota import Rate, Standing
from gateway.policy.quota_fields import policy_field, standing_field

RATES = (
    Rate("plan-a", 100, 60.0, 100, "principal", "plan-a"),
    Rate("20/1.5s by address", 20, 1.5, 40, "address"),
)


def test_each_rate_is_told_with_its_numbers() -> None:
    """Lists of strings with integers as parameters (RFC 9651), as the draft has them."""
    assert policy_field(RATES) == '"plan-a";q=100;w=60, "20/1.5s by address";q=20;w=2'


def test_what_is_left_is_told_as_of_the_reply() -> None:
    """The time to the reset has gone on while the upstream was asked; it never becomes negative."""
    standings = (Standing(50, 30.2), Standing(0, 1.0, 0.4))
    assert standing_field(RATES, standings, 0.0) == '"plan-a";r=50;t=31, "20/1.5s by address";r=0;t=1'
    assert standing_field(RATES, standings, 10.5) == '"plan-a";r=50;t=20, "20/1.5s by address";r=0;t=0'
