"""A value that holds for a while, such as a token: when it may be used, when the next one is to be fetched. Pure."""

_MARGIN = 0.2
_LONGEST_MARGIN_SECONDS = 300.0
"""The next one is fetched when a fifth of the lifetime is left, or five minutes where that is more."""
_SKEW_SECONDS = 5.0
"""How long before its end it is not used any more, for clocks and ways differ; at most a twentieth of the lifetime."""
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_REJECTION_SECONDS = 10.0
"""How often a value may be dropped because somebody did not accept it: one who never accepts must not cost a fetch a
request."""


class Lasting:
    """The value that is held. Times are seconds on one clock; each call is told ``now``."""

    __slots__ = ("_ends", "_failures", "_not_before", "_rejected_at", "_renews", "value", "why")

    def __init__(self) -> None:
        self.value: str | None = None
        self.why = ""
        """Why the last fetch brought none; never holds a secret."""
        self._ends = 0.0
        self._renews = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._rejected_at: float | None = None

    def __repr__(self) -> str:
        return f"<Lasting {'empty' if self.value is None else '***'}>"

    def usable(self, now: float) -> str | None:
        """Return the value, if it still holds."""
        return self.value if now < self._ends else None

    def due(self, now: float) -> bool:
        """Say whether the next one should be fetched: there is none or it ends soon, and no failure just before."""
        return (self.value is None or now >= self._renews) and now >= self._not_before

    def take(self, value: str, lifetime_seconds: float, now: float) -> None:
        """Hold ``value``, which was asked for at ``now``, from then on."""
        self.value, self.why = value, ""
        self._ends = now + lifetime_seconds - min(_SKEW_SECONDS, lifetime_seconds / 20)
        self._renews = now + lifetime_seconds - min(lifetime_seconds * _MARGIN, _LONGEST_MARGIN_SECONDS)
        self._failures, self._not_before = 0, 0.0

    def fail(self, why: str, now: float) -> None:
        """Note that a fetch brought none; the next one waits, longer after each failure."""
        self.why = why
        self._not_before = now + min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 16), _LONGEST_PAUSE_SECONDS)
        self._failures += 1

    def reject(self, value: str, now: float) -> bool:
        """Drop ``value``, which was not accepted; say whether another try would be made with another one."""
        if value != self.value:
            return True  # There is a newer one, or it was dropped already.
        if self._rejected_at is not None and now - self._rejected_at < _REJECTION_SECONDS:
            return False
        self._rejected_at, self.value, self._ends = now, None, 0.0
        return True
