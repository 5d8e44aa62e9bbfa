"""The table of exchanges: its columns, and the row that a record becomes.

A row is known by when its exchange ended, which worker wrote it and as which of its rows. A batch whose commit was not
heard of can so be written again without any row twice, rows lie in the order of time, and no second index is needed.
"""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text

from gateway.observe.record import Record, Try

Value = str | int | float | None
KEY = ("time", "writer", "number")
"""``time`` is the end of the exchange in milliseconds since 1970 (UTC)."""
_TEXTS = frozenset(
    {
        "id", "route", "upstream", "endpoint", "method", "target", "outcome", "failure", "side", "detail", "principal",
        "auth", "priority", "not_retried", "hedged", "peer", "format", "flaw", "unwatched", "drained",
        "upstream_request_id", "trace_id", "converted",
    }
)  # fmt: skip
_WHOLE = frozenset(
    {
        "bytes_down", "bytes_plain", "bytes_up", "chunks", "frames", "stalls", "prompt_tokens", "completion_tokens",
        "total_tokens", "pings", "drained_bytes", "attempts",
    }
)  # fmt: skip
_LARGEST = 2**63 - 1
"""No column holds more; only an upstream that lies about its tokens says more."""
PLAIN = tuple(name for name in Record._fields if name not in ("time", "tries"))
"""Columns that say what the member of the record says."""
TOLD = ("time", *PLAIN, "attempts", "tries")
"""Columns that exports show, in their order."""


def _column(name: str) -> Column[Value]:
    if name == "status":
        return Column(name, Integer)
    if name in _TEXTS or name == "tries":
        return Column(name, Text)
    return Column(name, BigInteger if name in _WHOLE else Double)


EXCHANGES = Table(
    "exchanges",
    MetaData(),
    *(Column(name, BigInteger, primary_key=True, autoincrement=False) for name in KEY),
    *(_column(name) for name in TOLD[1:]),
)
COLUMNS = tuple(column.name for column in EXCHANGES.columns)


def rows_by(query_strings: bool, leave_out: frozenset[str]) -> Callable[[Record], tuple[Value, ...]]:
    """Return what makes the columns after the key of a record, with what was chosen to be kept."""
    empty = [PLAIN.index(name) for name in PLAIN if name in leave_out]
    target, without_tries = PLAIN.index("target"), "tries" in leave_out
    places = [Record._fields.index(name) for name in PLAIN]

    def row(record: Record) -> tuple[Value, ...]:
        values: list[Value] = [_kept(record[place]) for place in places]
        if not query_strings:
            values[target] = str(values[target]).partition("?")[0]
        for place in empty:
            values[place] = None
        tries = None if without_tries or not record.tries else tries_told(record.tries)
        return (*values, len(record.tries), tries)

    return row


def tries_told(tries: tuple[Try, ...]) -> str:
    """Return attempts as a JSON array, pure ASCII."""
    return json.dumps([each._asdict() for each in tries], separators=(",", ":")).replace("\\u0000", " ")


def _kept(value: Any) -> Any:
    """Return a value as every database takes it: no half characters, no NUL, no number of more than 63 bits."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode("utf-8", "replace").decode().replace("\0", " ")
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        return _LARGEST
    return value
