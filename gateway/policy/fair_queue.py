"""Who is next: strict classes with a small share for the lower ones, and taking turns between principals. Pure.

Within a class each principal (a tenant, a peer) has a line of its own, and the lines are served in turn: one that sends
a thousand requests delays another's first by one request, not by a thousand. A queue that is full makes room for who
has fewer places by taking the newest place of who has most, so that nobody keeps others out by filling it.

A class is served before the ones below it. So that these do not starve, one that was passed over `PASSED_OVER_LIMIT`
times in a row is served next.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

CLASSES = ("high", "normal", "low")
PASSED_OVER_LIMIT = 15
"""One turn in sixteen for a class whose betters always have somebody waiting."""

Principal = tuple[str, str]
"""What tells principals apart, and which one it is: ``("peer", "192.0.2.7")``."""


@dataclass(slots=True)
class _Class(Generic[T]):
    lines: OrderedDict[Principal, OrderedDict[int, T]] = field(default_factory=OrderedDict)
    """The lines of principals with somebody in them, the one to be served next first."""
    passed_over: int = 0


class FairQueue(Generic[T]):
    """At most ``bound`` waiting things, each under an id of its own. Every call costs the same, however many wait.

    Only finding a victim looks at each principal.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._classes = {name: _Class[T]() for name in CLASSES}
        self._where: dict[int, tuple[str, Principal]] = {}

    def __len__(self) -> int:
        return len(self._where)

    @property
    def full(self) -> bool:
        """Whether nobody more may wait."""
        return len(self) >= self.bound

    def waiting(self, priority: str) -> int:
        """Return how many wait in a class."""
        return sum(map(len, self._classes[priority].lines.values()))

    def push(self, key: int, priority: str, principal: Principal, thing: T) -> None:
        """Let ``thing`` wait at the end of its principal's line. The queue must not be full."""
        self._where[key] = (priority, principal)
        self._classes[priority].lines.setdefault(principal, OrderedDict())[key] = thing

    def pop(self) -> T:
        """Take out who is next. Raises KeyError where nobody waits."""
        name = self._next_class()
        lines = self._classes[name].lines
        principal, line = lines.popitem(last=False)
        key, thing = line.popitem(last=False)
        if line:
            lines[principal] = line  # Behind the others: it is their turn.
        del self._where[key]
        self._count_turn(name)
        return thing

    def discard(self, key: int) -> None:
        """Let ``key`` leave, wherever it stands; harmless where it does not."""
        if key in self._where:
            self._take(key)

    def make_room(self, priority: str, principal: Principal) -> T | None:
        """Take out who must give way to a newcomer, the newest place first; None where nobody has to.

        That is the principal with most places of the lowest class, if it is lower than the newcomer's, or within its
        own class one that keeps more places than the newcomer's principal would have.
        """
        for name in reversed(CLASSES[CLASSES.index(priority) :]):
            lines = self._classes[name].lines
            if not lines:
                continue
            most = max(lines, key=lambda each: len(lines[each]))
            own = len(lines.get(principal, ()))
            if name == priority and len(lines[most]) <= own + 1:
                return None
            return self._take(next(reversed(lines[most])))
        return None

    def _take(self, key: int) -> T:
        name, principal = self._where.pop(key)
        of_class = self._classes[name]
        line = of_class.lines[principal]
        thing = line.pop(key)
        if not line:
            del of_class.lines[principal]
        return thing

    def _next_class(self) -> str:
        waiting = [name for name in CLASSES if self._classes[name].lines]
        if not waiting:
            raise KeyError("nobody waits")
        overdue = [name for name in reversed(waiting) if self._classes[name].passed_over >= PASSED_OVER_LIMIT]
        return overdue[0] if overdue else waiting[0]

    def _count_turn(self, served: str) -> None:
        self._classes[served].passed_over = 0
        for name in CLASSES[CLASSES.index(served) + 1 :]:
            of_class = self._classes[name]
            of_class.passed_over = of_class.passed_over + 1 if of_class.lines else 0
