"""The files of one configuration as one: where each value of the joined model came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from gateway.config.document import Document
from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity


class Where(NamedTuple):
    """A line in a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(eq=False)
class Sources:
    """One main document, and those it includes. Paths are those of the joined model.

    A document finds its own way from a value to the place in its file; here only the document is found.
    """

    main: Document
    pieces: Mapping[Path, tuple[Document, Path]] = field(default_factory=dict)
    """Of each element (table and key, or array and index) that came from an included file: there, and its path there.
    """
    included: tuple[Document, ...] = ()
    partial: bool = False
    """Whether the model lacks something that the files have, because it was wrong."""
    incomplete: bool = False
    """Whether a file that should be included could not be read at all."""

    def origin(self, path: Path) -> tuple[Document, Path]:
        """Return the document that holds ``path``, and the path of the same value in the model of that document."""
        document, start = self.pieces.get(path[:2], (self.main, path[:2]))
        return document, (*start, *path[2:])

    def problem(
        self,
        path: Path,
        message: str = "",
        *,
        at: Literal["key", "value"] = "value",
        expected: str | None = None,
        found: str | None = None,
        suggestion: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """Return a problem at ``path``, in the file that it stands in."""
        document, local = self.origin(path)
        return document.problem(
            local, message, at=at, expected=expected, found=found, suggestion=suggestion, severity=severity
        )

    def warning(self, path: Path, message: str, *, at: Literal["key", "value"] = "value") -> Problem:
        """Return a warning about what stands at ``path``: it has no effect, or is more open than it looks."""
        return self.problem(path, message, at=at, severity=Severity.WARNING)

    def shown(self, value: object, path: Path) -> str:
        """Return ``value``, which stands at ``path``, as a message may show it."""
        document, local = self.origin(path)
        return document.shown(value, local)

    def hides(self, path: Path) -> bool:
        """Say whether the value at ``path`` must not be shown."""
        document, local = self.origin(path)
        return document.hides(document.in_file(local))

    def label(self, path: Path) -> str:
        """Return ``path`` as messages call it."""
        document, local = self.origin(path)
        return document.label(document.in_file(local))

    def where(self, path: Path) -> Where | None:
        """Return the line on which the value at ``path`` itself is written, or None where no file says it."""
        document, local = self.origin(path)
        place = document.positions.exactly(document.in_file(local))
        return None if place is None else Where(document.name, place.line)

    def beside(self, path: Path, other: Path) -> str:
        """Return where ``path`` is written as seen from ``other``, such as ``" on line 7"``; empty if nowhere."""
        where = self.where(path)
        if where is None:
            return ""
        return f" on line {where.line}" if self.origin(other)[0].name == where.file else f" at {where}"

    def left_out(self, array: str) -> Iterator[tuple[Document, Path, Mapping[str, object]]]:
        """Yield the tables of the top-level ``array`` that the model lacks, because something in them was wrong.

        Each with its document and its path there, both as the file counts.
        """
        for document in (self.main, *self.included):
            stayed = document.kept.get((array,))
            tables = document.data.get(array)
            if stayed is None or not isinstance(tables, tuple):
                continue
            as_written = replace(document, kept={})
            for index, table in enumerate(tables):
                if index not in stayed and isinstance(table, dict):
                    yield as_written, (array, index), table

    def keys(self, table: str) -> set[str]:
        """Return the keys of the top-level table called ``table`` in any of the files, also of wrong values."""
        tables = (document.data.get(table) for document in (self.main, *self.included))
        return {key for found in tables if isinstance(found, dict) for key in found}
