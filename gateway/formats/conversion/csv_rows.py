"""JSON objects written as rows of CSV (RFC 4180): a header line, then the chosen columns of each object."""

import csv
from typing import Any

from gateway.formats.conversion.errors_in_band import tells_error
from gateway.formats.conversion.fault import UnconvertibleError, Why, malformed
from gateway.formats.conversion.strict_json import written


class _Line:
    """What `csv.writer` writes to: it keeps one row."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


class RowWriter:
    """Makes rows. A column is a path of member names with dots between them: ``user.name``.

    What is missing, and null, is an empty field; strings are themselves, numbers as they were written, true and false
    words; arrays and objects are JSON text.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._paths = [tuple(column.split(".")) for column in columns]
        self._shows_errors = any(path[0] == "error" for path in self._paths)
        self._line = _Line()
        self._writer = csv.writer(self._line, lineterminator="\r\n")
        self._rows = 0

    def header(self) -> bytes:
        """Return the header line."""
        return self._encoded(self._columns)

    def row(self, value: Any) -> bytes:
        """Return the row of one object."""
        self._rows += 1
        where = f"record {self._rows}"
        if not isinstance(value, dict):
            raise malformed(where, "not an object, which alone has columns")
        if not self._shows_errors and tells_error(value):
            raise UnconvertibleError(Why.ERROR, f"{where}: an error, which CSV has no words for")
        try:
            return self._encoded([_field(_at(value, path)) for path in self._paths])
        except RecursionError:
            raise malformed(where, "nested too deeply") from None

    def _encoded(self, fields: list[str] | tuple[str, ...]) -> bytes:
        self._writer.writerow(fields)
        try:
            return self._line.text.encode()
        except UnicodeEncodeError:
            # Half of a surrogate pair, which JSON can write as \uD800: not a character.
            return self._line.text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _field(value: Any) -> str:
    if isinstance(value, str):  # numbers, too
        return value
    return "" if value is None else written(value)
