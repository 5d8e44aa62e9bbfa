"""What is told of a request's target: where it went and which parameters it had, not what they said."""

import re

MAX_TARGET_CHARACTERS = 2048
_MAX_NAME_CHARACTERS = 64
_MASK = "***"
_FLAG = re.compile("[A-Za-z][A-Za-z_.-]{0,31}")
"""A parameter without value that can be told: a word. Anything else might be a token."""


def without_secrets(target: str) -> str:
    """Return ``target`` for a log: names of parameters stay, their values do not; at most 2 KiB of it."""
    path, mark, query = target.partition("?")
    if query:
        query = "&".join(map(_masked, query[: 2 * MAX_TARGET_CHARACTERS].split("&")))
    told = path + mark + query
    return told if len(told) <= MAX_TARGET_CHARACTERS else told[: MAX_TARGET_CHARACTERS - 3] + "..."


def _masked(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if not equals:
        return name if not name or _FLAG.fullmatch(name) else _MASK
    return f"{name if len(name) <= _MAX_NAME_CHARACTERS else _MASK}={_MASK}"
