"""Active health checks: what is asked, and how many answers in a row change one's mind.

An endpoint counts as well until checks say otherwise, so that a gateway that starts serves at once. The checks
themselves are made by `gateway.relay.health_checks`, in each worker.
"""

from pydantic import Field

from gateway.config.model import Model
from gateway.config.units import PositiveDuration
from gateway.exchange.route import HealthRule
from gateway.grammar.statuses import Statuses
from gateway.grammar.tokens import PathText


class HealthSettings(Model):
    """How endpoints are asked whether they are well. `health = { path = "/healthz" }` turns it on."""

    path: PathText = Field(examples=["/healthz"])
    """What each endpoint is asked for, with GET; the path of the endpoint's URL is not put before it. Path; required.
    It should be cheap: every worker asks every endpoint."""
    interval: PositiveDuration = 5.0
    """Time between two checks of an endpoint, a tenth more or less. Duration. Default "5s"."""
    timeout: PositiveDuration = 2.0
    """Time for a check, from connecting to the head of the answer. Duration. Default "2s".
    A service that is slow under load fails its checks just when it is needed most."""
    healthy: int = Field(default=2, ge=1, le=100)
    """Good checks in a row that bring an endpoint back. Number. Default 2."""
    unhealthy: int = Field(default=3, ge=1, le=100)
    """Bad checks in a row that take it out. Number. Default 3."""
    status: tuple[Statuses, ...] = Field(default=((200, 399),), min_length=1, examples=[[200, 204]])
    """Statuses that are good: 200, "2xx" or "200-399". Array. Default ["200-399"]. Redirects are not followed."""

    def rule(self) -> HealthRule:
        """Return what the settings mean."""
        return HealthRule(self.path, self.interval, self.timeout, self.healthy, self.unhealthy, self.status)


class Health:
    """What the checks of one endpoint say."""

    __slots__ = ("_streak", "rule", "well", "why")

    def __init__(self, rule: HealthRule) -> None:
        self.rule = rule
        self.well = True
        self.why: str | None = None
        """What the last check found wrong; None where it was good, or there was none."""
        self._streak = 0
        """Checks in a row that contradict ``well``."""

    def see(self, why: str | None) -> bool:
        """Take the result of a check, None for a good one; say whether that changed ``well``."""
        self.why = why
        if (why is None) is self.well:
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < (self.rule.unhealthy if self.well else self.rule.healthy):
            return False
        self.well = not self.well
        self._streak = 0
        return True
