"""What a running gateway serves, as one value: read by the master, adopted by every worker."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.exchange.route import GatewayPlan

if TYPE_CHECKING:
    from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that was found good."""

    settings: "Settings"
    plan: GatewayPlan
    sources: bytes | None = None
    """Where every value is written, packed (`gateway.settings.whole`); None where nobody could ask for it."""
    needs_restart: tuple[str, ...] = ()
    """The settings of this one that do not hold yet, for only a restart can change them."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that was found bad: what readiness says about it while the configuration before it goes on."""

    summary: str


class Rejected(Exception):
    """Raised by whoever reads the file again and finds it bad; ``report`` is all that is wrong, for the log."""

    def __init__(self, summary: str, report: str) -> None:
        super().__init__(summary)
        self.rejection = Rejection(summary)
        self.report = report


def needs_restart(old: "Settings", new: "Settings") -> list[str]:
    """Return the settings that differ and that a running gateway cannot change."""
    fixed = {
        "server.listen": (old.server.listen, new.server.listen),
        "server.workers": (old.server.workers, new.server.workers),
        "server.tls (on or off)": (old.server.tls is None, new.server.tls is None),
        "admin.listen": (old.admin.listen, new.admin.listen),
        "admin.tls (on or off)": (old.admin.tls is None, new.admin.tls is None),
    }
    return [name for name, (before, after) in fixed.items() if before != after]
