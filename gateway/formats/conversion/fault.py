"""What keeps a body from being converted."""

from enum import Enum

FRAME_LIMIT_BYTES = 1024 * 1024
"""Octets that one frame of the source may have; it is held until it is whole."""


class Why(Enum):
    """In which way a body could not be converted."""

    MALFORMED = "malformed"
    """It is not in the format that its head announced, or a frame of it is too large."""
    UNFINISHED = "unfinished"
    """It ended within a frame."""
    ERROR = "error"
    """It tells an error, for which the other format has no frame."""


class UnconvertibleError(Exception):
    """A body that cannot be converted any further."""

    def __init__(self, why: Why, detail: str) -> None:
        """``detail`` says where and what, in words that show nothing of the body."""
        super().__init__(detail)
        self.why = why
        self.detail = detail
        self.before = b""
        """What the same octets gave before: whole frames, which may go out still."""


def malformed(where: str, what: str) -> UnconvertibleError:
    """Return the fault of a body that breaks the rules of its format ``where``."""
    return UnconvertibleError(Why.MALFORMED, f"{where}: {what}")


def unfinished(where: str, what: str) -> UnconvertibleError:
    """Return the fault of a body that ended ``where`` it should not."""
    return UnconvertibleError(Why.UNFINISHED, f"{where}: {what}")


def too_large(where: str) -> UnconvertibleError:
    """Return the fault of a frame above `FRAME_LIMIT_BYTES`."""
    return malformed(where, f"longer than {FRAME_LIMIT_BYTES} octets, the most that is held for a conversion")
