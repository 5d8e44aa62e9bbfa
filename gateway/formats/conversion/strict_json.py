"""JSON read strictly (RFC 8259), and written as it was read: no number is rounded, nothing invalid passes."""

import json
import re
from typing import Any, NoReturn

_STRING_OR_BLANKS = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")|[ \t\r\n]++', re.S)
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Number(str):
    """A number as it is written: its digits, whatever a float or an int could keep of them."""

    __slots__ = ()


def parse(text: bytes) -> Any:
    """Return what ``text`` holds, numbers as `Number`; raise ValueError for all that is not one JSON value in UTF-8.

    Of members with the same name the last is kept. What is nested deeper than the interpreter goes is refused, too.
    """
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg.lower().removesuffix(' at')} at character {error.pos + 1}") from None


def one_line(text: bytes) -> bytes:
    """Return ``text``, which has been parsed, without line breaks: they can only stand between its tokens."""
    if b"\n" not in text and b"\r" not in text:
        return text
    return _STRING_OR_BLANKS.sub(rb"\1", text)


def written(value: Any) -> str:
    """Return what `parse` returned as JSON text without blanks. May raise RecursionError."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        return "{" + ",".join([f"{_quoted(key)}:{written(each)}" for key, each in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([written(each) for each in value]) + "]"
    return _quoted(value)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"not JSON: {word} is no number")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse)
