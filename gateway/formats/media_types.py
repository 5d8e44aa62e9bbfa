"""The media types by which formats are known, the one that we would ask for first."""

from typing import Final

SSE: Final = ("text/event-stream",)
NDJSON: Final = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/jsonlines",
    "application/x-jsonl",
    "application/stream+json",
)
JSON: Final = ("application/json", "text/json")
CSV: Final = ("text/csv", "application/csv")
VAGUE: Final = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})
"""Types that say nothing against what a route says."""
