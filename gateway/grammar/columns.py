"""Checked names of columns: where in an object a value stands."""

from typing import Annotated

from pydantic import AfterValidator

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

_MOST_CHARACTERS = 256
_EXPECTED = 'names of members with dots between them, such as "user.name"'


def _column(text: str) -> str:
    if not all(text.split(".")):
        named = ".".join(name for name in text.split(".") if name)
        raise Unacceptable(_EXPECTED, suggestion=named or None)
    if len(text) > _MOST_CHARACTERS:
        raise Unacceptable(_EXPECTED, message=f"longer than {_MOST_CHARACTERS} characters")
    if not text.isprintable():
        raise Unacceptable(_EXPECTED, message="it holds a character that cannot be printed")
    return text


Column = Annotated[str, AfterValidator(_column), Kind("column")]
