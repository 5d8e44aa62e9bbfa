"""Checked media types in settings: ``application/json``, or ``text/*`` for all of a type."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

_NAME = "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"  # RFC 6838 section 4.2
_MEDIA_TYPE = re.compile(rf"{_NAME}/(?:{_NAME}|\*)")
_EXPECTED = 'a media type such as "application/json", or "text/*"'
_SHORT = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data",
    "text": "text/plain",
    "xml": "application/xml",
}


def parse_media_type(text: str) -> str:
    """Return ``text`` in lower case; raise `Unacceptable` where it is no media type, or has parameters."""
    if not _MEDIA_TYPE.fullmatch(text):
        plain = text.partition(";")[0].strip()
        if text == "*/*":
            raise Unacceptable(message="every media type is what holds without the setting")
        raise Unacceptable(_EXPECTED, suggestion=plain if _MEDIA_TYPE.fullmatch(plain) else _SHORT.get(text.lower()))
    return text.lower()


MediaType = Annotated[
    str,
    AfterValidator(parse_media_type),
    WithJsonSchema({"type": "string", "pattern": rf"^{_NAME}/({_NAME}|\*)$"}),
    Kind("media type"),
]
