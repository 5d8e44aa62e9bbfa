"""The settings of timeouts: what they compile to, and the phase that each one can end."""

from dataclasses import fields

from gateway.exchange.route import Timeouts
from gateway.policy.timeouts import HOLDS_IN, TimeoutsSettings


def test_every_setting_is_compiled() -> None:
    """Each value goes where its name says."""
    names = [field.name for field in fields(Timeouts)]
    settings = TimeoutsSettings(**{name: f"{number}s" for number, name in enumerate(names, 1)})

    assert settings.compiled() == {"timeouts": Timeouts(*(float(number) for number in range(1, len(names) + 1)))}


def test_each_timeout_has_its_phase() -> None:
    """What `gateway explain` tells is complete."""
    assert set(HOLDS_IN) == set(TimeoutsSettings.model_fields)
