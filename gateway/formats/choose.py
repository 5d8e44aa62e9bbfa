"""Which format watches a reply: by what its route says, and what its head says."""

from collections.abc import Callable
from typing import Final

from gateway.exchange.marks import Format
from gateway.exchange.message import ReplyHead
from gateway.formats.ndjson import Ndjson
from gateway.formats.opaque import Opaque
from gateway.formats.openai import OpenAi
from gateway.formats.sse import Sse

_SSE: Final = frozenset({"text/event-stream"})
_NDJSON: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/x-jsonl",
        "application/stream+json",
    }
)
_JSON: Final = frozenset({"application/json", "text/json"})
_CSV: Final = frozenset({"text/csv", "application/csv"})
_VAGUE: Final = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})
"""Types that say nothing against what a route says."""

_FORMATS: Final[dict[str, Callable[[], Format]]] = {"ndjson": Ndjson, "opaque": Opaque}
_PRESETS: Final[dict[str, Callable[[], Format]]] = {"openai": OpenAi}


def choose(name: str, head: ReplyHead, terminal: tuple[str, ...] = ()) -> Format | str:
    """Return a fresh watcher for the body under ``head``, or why there is none, in words.

    ``name`` is what the route says: ``auto``, a format, or a preset; ``terminal`` is for plain SSE (see `Sse`).
    Only whole representations are watched: 206 is a part of one, and errors are told by their status.
    """
    if not 200 <= head.status <= 299 or head.status in (204, 205, 206):
        return f"the status is {head.status}"
    codings = [value.strip().lower() for key, value in head.fields if key.lower() == "content-encoding"]
    if any(coding not in ("", "identity") for coding in codings):
        return f"Content-Encoding is {', '.join(codings)}"
    media_type = (head.first("content-type") or "").partition(";")[0].strip().lower()
    found = _by_media_type(media_type) if name == "auto" else name
    if name in _PRESETS:
        if media_type in _SSE:
            return _PRESETS[name]()
        return f"Content-Type is {media_type or 'missing'}"
    if name != "auto" and not _agrees(name, media_type):
        return f"Content-Type is {media_type}"
    if found == "sse":
        return Sse(terminal)
    return _FORMATS[found]() if found in _FORMATS else f"{found} is not watched"


def _by_media_type(media_type: str) -> str:
    if media_type in _SSE:
        return "sse"
    if media_type in _NDJSON:
        return "ndjson"
    return "opaque"


def _agrees(name: str, media_type: str) -> bool:
    """Tell whether a type does not speak against the format a route names."""
    if name == "opaque" or media_type in _VAGUE:
        return True
    is_json = media_type in _JSON or (media_type.endswith("+json") and media_type not in _NDJSON)
    return {
        "sse": media_type in _SSE,
        "ndjson": media_type in _NDJSON or is_json,  # lines of JSON are often called JSON
        "json": is_json,
        "csv": media_type in _CSV,
    }[name]
