"""JSON values out of octets, for those who look into a frame. Never raises."""

import json
from collections.abc import Callable
from enum import Enum
from typing import Final

_scan: Final[Callable[[str, int], tuple[object, int]]] = vars(json.JSONDecoder())["scan_once"]
_WHITE = " \t\r\n"


class Unread(Enum):
    """Why there is no value."""

    MALFORMED = "not JSON"
    BEYOND = "beyond what is looked into"
    """Nested too deeply, or with a number too long, to be read here: nothing is known of it."""


def parsed(data: bytes) -> object:
    """Return the JSON value that ``data`` is as a whole (RFC 8259), or an `Unread`.

    Octets that are not UTF-8 are read as U+FFFD, as WHATWG streams are decoded, and ``NaN`` and ``Infinity`` pass:
    many write them, and neither tells that anything is missing.
    """
    value, _, rest = first_value(data)
    return Unread.MALFORMED if rest else value


def first_value(data: bytes) -> tuple[object, str, str]:
    """Return the JSON value that ``data`` begins with, or an `Unread`; its text, and the text that follows it."""
    text = data.decode("utf-8", "replace").strip(_WHITE)
    try:
        value, end = _scan(text, 0)
    except (json.JSONDecodeError, StopIteration):
        return Unread.MALFORMED, "", ""
    except (ValueError, RecursionError):
        return Unread.BEYOND, "", ""
    return value, text[:end], text[end:]
