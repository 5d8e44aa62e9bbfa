"""What a store is told: where it keeps its rows, how many wait, what is left out, and how long rows stay."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StorePlan:
    """Compiled settings of a store."""

    url: str
    """``sqlite:///`` and an absolute path, or ``postgresql://`` and what libpq takes. May hold a password."""
    queue: int = 10_000
    """Records that may wait for the database; beyond it the oldest is dropped."""
    batch: int = 200
    """Rows that are written at once, at most."""
    flush_seconds: float = 1.0
    keep_seconds: float | None = 7 * 24 * 3600.0
    max_rows: int | None = None
    max_size: int | None = 2**30
    """Octets that the rows may take in a file."""
    query_strings: bool = False
    leave_out: frozenset[str] = frozenset()
    """Columns that stay empty."""
    export_seconds: float = 600.0
    """How long an export may take."""

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.startswith("sqlite:")
