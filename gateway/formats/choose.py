"""Which format watches a reply: by what its route says, and what its head says."""

from collections.abc import Callable
from typing import Final

from gateway.exchange.marks import Format
from gateway.exchange.message import ReplyHead
from gateway.formats.anthropic import Anthropic
from gateway.formats.coded import Coded, decodable
from gateway.formats.csv import Csv
from gateway.formats.json import Json, JsonAnswer
from gateway.formats.media_types import CSV, JSON, NDJSON, SSE, VAGUE
from gateway.formats.ndjson import Ndjson
from gateway.formats.opaque import Opaque
from gateway.formats.openai import OpenAi
from gateway.formats.sse import Sse

_FORMATS: Final[dict[str, Callable[[], Format]]] = {"ndjson": Ndjson, "json": Json, "csv": Csv, "opaque": Opaque}
_PRESETS: Final[dict[str, Callable[[], Format]]] = {"openai": OpenAi, "anthropic": Anthropic}


def choose(name: str, head: ReplyHead, terminal: tuple[str, ...] = ()) -> Format | str:
    """Return a fresh watcher for the body under ``head``, or why there is none, in words.

    ``name`` is what the route says: ``auto``, a format, or a preset; ``terminal`` is for plain SSE (see `Sse`).
    Only whole representations are watched: 206 is a part of one, and errors are told by their status.
    """
    if not 200 <= head.status <= 299 or head.status in (204, 205, 206):
        return f"the status is {head.status}"
    media_type = (head.first("content-type") or "").partition(";")[0].strip().lower()
    found = _by_type(name, media_type, terminal)
    if found is None:
        return f"Content-Type is {media_type or 'missing'}"
    lines = [value.lower() for key, value in head.fields if key.lower() == "content-encoding"]
    codings = [coding for coding in map(str.strip, ",".join(lines).split(",")) if coding not in ("", "identity")]
    if not codings or isinstance(found, Opaque):
        return found
    if len(codings) > 1 or not decodable(codings[0]):
        return f"Content-Encoding is {', '.join(codings)}"
    return Coded(found, codings[0])


def _by_type(name: str, media_type: str, terminal: tuple[str, ...]) -> Format | None:
    """Return a watcher; None where the media type says that the body is something else than ``name``."""
    if name in _PRESETS:
        if media_type in SSE:
            return _PRESETS[name]()
        return JsonAnswer() if _is_json(media_type) else None
    if name == "auto":
        name = _of_type(media_type)
    elif not _agrees(name, media_type):
        return None
    return Sse(terminal) if name == "sse" else _FORMATS[name]()


def _of_type(media_type: str) -> str:
    """Return the format of a media type."""
    for name, types in (("sse", SSE), ("ndjson", NDJSON), ("csv", CSV)):
        if media_type in types:
            return name
    return "json" if _is_json(media_type) else "opaque"


def _is_json(media_type: str) -> bool:
    return media_type in JSON or (media_type.endswith("+json") and media_type not in NDJSON)


def _agrees(name: str, media_type: str) -> bool:
    """Tell whether a type does not speak against the format a route names."""
    if name == "opaque" or media_type in VAGUE:
        return True
    is_json = _is_json(media_type)
    return {
        "sse": media_type in SSE,
        "ndjson": media_type in NDJSON or is_json,  # lines of JSON are often called JSON
        "json": is_json,
        "csv": media_type in CSV,
    }[name]
