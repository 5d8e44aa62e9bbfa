"""The settings of timeouts: what they compile to, and the phase that each one can end."""

from dataclasses import fields

from gateway.exchange.route import Timeouts
from gateway.policy.timeouts import HOLDS_IN, TimeoutsSettings


def test_every_setting_is_compiled() -> None:
    """Each value goes where its name says."""
    names = [field.name for field in fields(Timeouts) if field.name != "min_rate"]
    settings = TimeoutsSettings(**{name: f"{number}s" for number, name in enumerate(names, 1)}, min_rate="1KiB/30s")

    expected = Timeouts(**{name: float(number) for number, name in enumerate(names, 1)}, min_rate=(1024, 30.0))
    assert settings.compiled() == {"timeouts": expected}


def test_each_timeout_has_its_phase() -> None:
    """What `gateway explain` tells is complete."""
    assert set(HOLDS_IN) == set(TimeoutsSettings.model_fields)
