"""Raw paths: their segments, and where dot segments could lead.

A gateway passes path octets on as they came, so what a path *means* is decided by whatever reads it next. Routes are
therefore compared in the one form every reader agrees on (RFC 3986 section 6.2.2.2), and dot segments are judged in
every form a reader might see: decoded once or several times, with ``\\`` as a slash, with ``;parameters`` cut off.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_MAX_DECODINGS = 8
"""Deeper escaping than this is nobody's honest path, and each level costs a pass."""

_PLAIN = re.compile(r"[!\"$&-:<->@-\[\]-~]+")
"""A segment every reader sees alike: no escape, backslash, parameter, control octet or octet beyond ASCII."""
_CUT = re.compile("[;?#\0]")
_IGNORED = re.compile("[\x01-\x20\x7f]+")
_DOT_SEGMENT = re.compile(r"(?:^|[/\\])\.\.?(?:$|[/\\;?#\0])")
_SPLITS = (re.compile("(?!)"), re.compile("/"), re.compile(r"[/\\]"))
"""What may separate pieces inside a raw segment: nothing, a decoded slash, a backslash too."""

_FOLDED = {"\xae": ".", "\xaf": "/", "\x9c": "\\", "\x8e": ".", "\x8f": "/", "\xbc": "\\"}
_FOLD = re.compile(
    "\xc0[\xae\xaf]|\xc1\x9c|\xe0\x80[\xae\xaf]|\xef\xbc[\x8e\x8f\xbc]|%u00(?P<iis>2e|2f|5c)", re.IGNORECASE
)
"""Overlong UTF-8, fullwidth forms and ``%u`` escapes of dot, slash and backslash, read as latin-1."""


def _unescape_unreserved(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0]


def _agreed(path: str) -> str:
    """Return ``path`` with the escapes of unreserved characters decoded: the same path to every reader."""
    return _ESCAPE.sub(_unescape_unreserved, path) if "%" in path else path


def split_query(target: str) -> tuple[str, str]:
    """Return the path and the query of an origin-form target; the query keeps its ``?`` and is empty without one."""
    path, mark, query = target.partition("?")
    return path, mark + query


def segments_for_match(path: str) -> tuple[str, ...]:
    """Return the segments of a raw path as routes compare them, escapes of unreserved characters decoded, no others.

    ``//`` gives an empty segment and a trailing slash an empty last one. ``*`` has no segments.
    """
    return tuple(_agreed(path).split("/")[1:])


def prefix_segments(prefix: str) -> tuple[str, ...]:
    """Return the whole segments of a route's prefix: ``/openai/`` and ``/openai`` are the same, ``/`` is none."""
    segments = segments_for_match(prefix)
    return segments[:-1] if segments and not segments[-1] else segments


def below(path: str, count: int) -> str:
    """Return what remains of a raw path without its first ``count`` segments: empty, or beginning with its slash."""
    at = 0
    for _ in range(count):
        at = path.find("/", at + 1)
        if at < 0:
            return ""
    return path[at:]


def escapes(path_below_prefix: str) -> bool:
    """Say whether dot segments could lead out of the prefix for some reader (RFC 9110 section 7.7, RFC 3986 5.2.4).

    Each raw segment counts as the least depth any reader could give it; a path that is below zero anywhere escapes.
    Empty segments are no depth, for readers exist that merge slashes. Dot segments that stay inside are fine.
    """
    if ".." not in path_below_prefix and "%" not in path_below_prefix and path_below_prefix.isascii():
        return False
    plainest = _plainest(path_below_prefix)
    if plainest is None:
        return True
    if not _DOT_SEGMENT.search(plainest):
        return False
    depth = 0
    for segment in path_below_prefix.split("/"):
        dip, net = _walk((segment,)) if _PLAIN.fullmatch(segment) else _worst(segment)
        if depth + dip < 0:
            return True
        depth += net
    return False


def resolutions(path: str) -> set[str]:
    """Return what a raw path with dot segments could become for its readers; nothing if no reader sees one.

    Used to keep a path from matching one route here and another one there. A path escaped beyond all measure has none,
    for ``escapes`` refuses it.
    """
    found: set[str] = set()
    if "." not in path and "%" not in path and path.isascii():
        return found
    plainest = _plainest(path)
    if plainest is None or not _DOT_SEGMENT.search(plainest):
        return found
    for pieces in _readings(path, _SPLITS[1:]):
        if "." in pieces or ".." in pieces:
            found.add(_resolve(pieces))
            found.add(_resolve([piece for piece in pieces if piece]))
    return found


def _walk(pieces: tuple[str, ...] | list[str]) -> tuple[int, int]:
    """Return the lowest and the last depth of a walk through ``pieces``, which begins at zero."""
    lowest = depth = 0
    for piece in pieces:
        if piece == "..":
            depth -= 1
            lowest = min(lowest, depth)
        elif piece not in ("", "."):
            depth += 1
    return lowest, depth


def _worst(segment: str) -> tuple[int, int]:
    """Return the lowest dip and the lowest end that any reading of one raw segment has."""
    walks = [_walk(pieces) for pieces in _readings(segment, _SPLITS)]
    return min(dip for dip, _ in walks), min(net for _, net in walks)


def _readings(text: str, splits: tuple[re.Pattern[str], ...]) -> Iterator[list[str]]:
    """Yield the pieces of ``text`` as each kind of reader sees them."""
    for form in _forms(text):
        for split in splits:
            pieces = split.split(form)
            yield pieces
            yield [_IGNORED.sub("", _CUT.split(piece, maxsplit=1)[0]) for piece in pieces]


def _forms(text: str) -> list[str]:
    """Return ``text`` as it came and after each decoding, the last one with look-alikes of dots and slashes folded."""
    forms = [text, _agreed(text)]
    while (decoded := unquote(forms[-1], "latin-1")) != forms[-1]:
        forms.append(decoded)
    forms.append(_FOLD.sub(_fold, forms[-1]))
    return forms


def _plainest(path: str) -> str | None:
    """Return ``path`` with all decoded, folded and ignored that any reader would; None if it is escaped too deeply."""
    for _ in range(_MAX_DECODINGS):
        decoded = unquote(path, "latin-1")
        if decoded == path:
            return _IGNORED.sub("", _FOLD.sub(_fold, path))
        path = decoded
    return None


def _fold(match: re.Match[str]) -> str:
    """Return the dot, slash or backslash some readers make of an overlong, fullwidth or ``%u`` spelling of it."""
    return chr(int(match["iis"], 16)) if match["iis"] else _FOLDED[match[0][-1]]


def _resolve(pieces: list[str]) -> str:
    stack: list[str] = []
    for piece in pieces[1:] if pieces[0] == "" else pieces:
        if piece == "..":
            if stack:
                stack.pop()
        elif piece != ".":
            stack.append(piece)
    return "/" + "/".join(stack)
