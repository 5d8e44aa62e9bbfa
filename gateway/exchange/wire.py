"""How octets of our own may be put into a stream on its way to the client: pings and error frames."""

from collections.abc import Callable
from dataclasses import dataclass


def _as_it_is(octets: bytes) -> bytes:
    return octets


@dataclass(slots=True)
class Wire:
    """The stream as the client reads it."""

    format: str
    """The format of what goes out, which a conversion may have made another than that of what came."""
    boundary: Callable[[], bool]
    """Whether what went out so far ends between two frames, and more may follow."""
    encode: Callable[[bytes], bytes] = _as_it_is
    """Puts octets that do not come by way of the stages into the content coding that the client gets."""
