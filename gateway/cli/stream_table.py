"""Running streams as a table that fits the terminal. Pure: what the admin side tells in, lines out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.rounded import duration, octets

Stream = Mapping[str, Any]

_LONGEST_CELL = 36
_GAP = "  "
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table."""

    title: str
    cell: Callable[[Stream], str]
    rank: int
    """Those with the highest rank go first where the terminal is narrow; 0 for what always stays."""
    right: bool = False
    """Whether it is a number, which stands on the right."""


def _text(key: str) -> Callable[[Stream], str]:
    return lambda stream: _visible(stream.get(key))


def _number(key: str, told: Callable[[float], str]) -> Callable[[Stream], str]:
    def cell(stream: Stream) -> str:
        value = stream[key]
        return _NOTHING if value is None else told(value)

    return cell


def _visible(value: object) -> str:
    """Return what a terminal may be given: names come from others, and could else move its cursor."""
    if value is None:
        return _NOTHING
    return "".join(each if each.isprintable() else "?" for each in str(value))


COLUMNS = (
    Column("ID", _text("id"), 0),
    Column("AGE", _number("age_seconds", duration), 0, True),
    Column("ROUTE", _text("route"), 2),
    Column("PRINCIPAL", _text("principal"), 5),
    Column("UPSTREAM", _text("upstream"), 9),
    Column("PHASE", _text("phase"), 1),
    Column("FIRST", _number("first_byte_seconds", duration), 8, True),
    Column("LAST", _number("last_chunk_seconds_ago", duration), 3, True),
    Column("BYTES", _number("bytes_down", octets), 4, True),
    Column("RATE/s", _number("rate_bytes_per_second", octets), 4, True),
    Column("FRAMES", _text("frames"), 7, True),
    Column("BUFFERED", _number("buffered_bytes", octets), 6, True),
)
ORDERS: Mapping[str, Callable[[Stream], float]] = {
    "age": lambda each: float(each["age_seconds"]),
    "rate": lambda each: float(each["rate_bytes_per_second"] or 0),
    "bytes": lambda each: float(each["bytes_down"]),
    "silence": lambda each: float(
        each["age_seconds"] if each["last_chunk_seconds_ago"] is None else each["last_chunk_seconds_ago"]
    ),
}


def ordered(streams: Sequence[Stream], by: str) -> list[Stream]:
    """Return them with the highest value first; ``silence`` of a stream that brought nothing yet is its age."""
    return sorted(streams, key=ORDERS[by], reverse=True)


def table(streams: Sequence[Stream], width: int | None, height: int | None = None) -> list[str]:
    """Return a line of titles and one for each stream: none wider than ``width``, at most ``height`` in all.

    Where not all columns have room, the least telling ones go; what is still too long is cut. None for no bound.
    """
    shown = streams if height is None else streams[: max(height - 1, 0)]
    columns = [
        (column, [column.title, *(_cut(column.cell(stream), _LONGEST_CELL) for stream in shown)]) for column in COLUMNS
    ]
    while width is not None and _width(columns) > width and any(column.rank for column, _ in columns):
        worst = max(column.rank for column, _ in columns)
        columns = [each for each in columns if each[0].rank != worst]
    lines = []
    for number in range(len(shown) + 1):
        parts = [_padded(column, cells, number) for column, cells in columns]
        lines.append(_cut(_GAP.join(parts).rstrip(), width))
    return lines


def _padded(column: Column, cells: list[str], number: int) -> str:
    room = max(map(len, cells))
    return cells[number].rjust(room) if column.right else cells[number].ljust(room)


def _width(columns: list[tuple[Column, list[str]]]) -> int:
    return sum(max(map(len, cells)) for _, cells in columns) + len(_GAP) * (len(columns) - 1)


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: max(width - 1, 0)] + "…"


def summary(told: Mapping[str, Any], shown: int) -> str:
    """Return one line about the whole: how many there are and how many are shown, and which workers are silent."""
    workers = len(told["workers"])
    words = f"{told['total']} streams in {workers} worker{'s' if workers != 1 else ''}"
    if told["matching"] != told["total"]:
        words += f", {told['matching']} match"
    if shown < told["matching"]:
        words += f", {shown} shown"
    if told["unanswered"]:
        words += f"; no answer from worker {', '.join(map(str, told['unanswered']))}"
    return words
