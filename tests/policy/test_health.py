"""How many checks in a row change one's mind about an endpoint."""

import pytest

from gateway.exchange.route import HealthRule
from gateway.policy.health import Health, HealthSettings

RULE = HealthRule("/healthz", 5.0, 2.0, healthy=2, unhealthy=3, statuses=((200, 399),))


@pytest.mark.parametrize(
    ("checks", "well"),
    [
        ("", ""),
        ("+", "1"),
        ("---", "110"),
        ("--+---", "111110"),
        ("---++", "11001"),
        ("---+-++", "1100001"),
        ("----------++", "110000000001"),
    ],
)
def test_a_streak_changes_ones_mind(checks: str, well: str) -> None:
    """Three bad checks in a row take out, two good ones in a row bring back; a mixed lot changes nothing."""
    health = Health(RULE)
    before = True
    for check, expected in zip(checks, well, strict=True):
        changed = health.see(None if check == "+" else "status 503")
        assert health.well is (expected == "1")
        assert changed is (health.well is not before)
        before = health.well


def test_the_last_check_says_why() -> None:
    """What was wrong is told, also while it is not yet enough, and forgotten with the next good check."""
    health = Health(RULE)
    health.see("status 503")
    assert (health.well, health.why) == (True, "status 503")
    health.see(None)
    assert health.why is None


def test_the_settings_say_what_they_mean() -> None:
    """Only the path has to be given."""
    assert HealthSettings(path="/healthz").rule() == HealthRule("/healthz", 5.0, 2.0, 2, 3, ((200, 399),))
    assert HealthSettings(path="/", status=(204, "3xx")).rule().statuses == ((204, 204), (300, 399))
