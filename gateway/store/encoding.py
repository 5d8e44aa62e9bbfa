"""Rows as text: CSV (RFC 4180), NDJSON, or one JSON array. Each batch of rows becomes octets of its own. Pure."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from gateway.store.schema import TOLD

Row = Sequence[Any]
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Encoding(ABC):
    """One form of an export: a head, batch after batch, and a tail that only a whole export has."""

    content_type: str

    def head(self) -> bytes:
        """Return what comes first."""
        return b""

    @abstractmethod
    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return a batch. The columns of each row are those of ``TOLD``."""

    def tail(self) -> bytes:
        """Return what comes last."""
        return b""


class Csv(Encoding):
    """RFC 4180, with a header; what a row does not have is empty. Attempts are JSON in their cell."""

    content_type = "text/csv; charset=utf-8; header=present"

    def head(self) -> bytes:
        """Return the header."""
        return ",".join(TOLD).encode() + b"\r\n"

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return the batch's lines."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows(chain((_iso(row[0]),), row[1:]) for row in rows)
        return text.getvalue().encode()


class Ndjson(Encoding):
    """An object in each line, with all its members."""

    content_type = "application/x-ndjson"

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return the batch's lines."""
        return "".join(f"{_object(row)}\n" for row in rows).encode()


class Json(Encoding):
    """One array of objects, each in a line of its own."""

    content_type = "application/json"

    def __init__(self) -> None:
        self._begun = False

    def head(self) -> bytes:
        """Return the array's beginning."""
        return b"["

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return the batch's elements."""
        if not rows:
            return b""
        begun, self._begun = self._begun, True
        return ((",\n" if begun else "\n") + ",\n".join(map(_object, rows))).encode()

    def tail(self) -> bytes:
        """Return the array's end."""
        return b"\n]\n"


ENCODINGS: dict[str, type[Encoding]] = {"csv": Csv, "ndjson": Ndjson, "json": Json}
"""By the end of a name."""


def _object(row: Row) -> str:
    members: dict[str, Any] = dict(zip(TOLD, row, strict=True))
    members["time"] = _iso(row[0])
    tries = members.pop("tries")
    # They are JSON already: as text, not as a text within the text.
    return f'{_encode(members)[:-1]},"tries":{tries or "[]"}}}'


def _iso(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
