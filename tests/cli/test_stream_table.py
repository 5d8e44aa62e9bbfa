"""The table of running streams: what fits, what goes first, and that nothing in it can move a cursor."""

from typing import Any

import pytest

from gateway.cli.stream_table import COLUMNS, ordered, summary, table

TITLES = [column.title for column in COLUMNS]


def a_row(**fields: Any) -> dict[str, Any]:
    return {
        "id": "0123456789abcdef0123456789abcdef",
        "age_seconds": 754.2,
        "route": "chat",
        "principal": "tenant-a",
        "upstream": "models",
        "phase": "relay",
        "first_byte_seconds": 1.25,
        "last_chunk_seconds_ago": 0.4,
        "bytes_down": 1_500_000,
        "rate_bytes_per_second": 2048.0,
        "frames": 311,
        "buffered_bytes": 0,
        **fields,
    }


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (None, TITLES),
        (200, TITLES),
        (120, [each for each in TITLES if each not in ("UPSTREAM",)]),
        (100, ["ID", "AGE", "ROUTE", "PRINCIPAL", "PHASE", "LAST", "BYTES", "RATE/s", "BUFFERED"]),
        (80, ["ID", "AGE", "ROUTE", "PHASE", "LAST", "BYTES", "RATE/s"]),
        (60, ["ID", "AGE", "ROUTE", "PHASE", "LAST"]),
        (42, ["ID", "AGE"]),
    ],
)
def test_the_columns_that_have_room_are_shown(width: int | None, titles: list[str]) -> None:
    """The least telling ones go first; the id stays whole, for it is what cancels."""
    lines = table([a_row(), a_row(id="f" * 32, route=None)], width)

    assert lines[0].split() == titles
    assert all(width is None or len(line) <= width for line in lines)
    assert lines[2].startswith("f" * 32)


@pytest.mark.parametrize("width", [1, 5, 20, 39])
def test_what_is_too_wide_for_any_column_is_cut(width: int) -> None:
    """No line ever wraps, or the table would crawl down the screen."""
    lines = table([a_row(id="x" * 128, route="r" * 100)], width)

    assert [len(line) for line in lines][1] == width
    assert lines[1].endswith("…")


@pytest.mark.parametrize(("height", "rows"), [(None, 30), (100, 30), (11, 10), (2, 1), (1, 0), (0, 0)])
def test_no_more_rows_than_the_screen_has(height: int | None, rows: int) -> None:
    """The titles are one of its lines."""
    assert len(table([a_row()] * 30, 80, height)) == rows + 1


def test_a_name_cannot_move_the_cursor() -> None:
    """Ids and principals may be chosen by others."""
    (_, row) = table([a_row(id="a\x1b[2Jb\n\u202e", principal="\x07bell")], None)

    assert "a?[2Jb??" in row
    assert "?bell" in row
    assert row.isprintable()


def test_what_is_not_known_is_a_dash() -> None:
    """A stream that waits for its turn has neither route nor octets to speak of."""
    unknown = ("route", "principal", "upstream", "first_byte_seconds", "last_chunk_seconds_ago", "frames")
    (_, row) = table([a_row(**dict.fromkeys((*unknown, "rate_bytes_per_second")))], None)

    assert row.split().count("-") == 7


@pytest.mark.parametrize(("by", "order"), [("age", "bca"), ("rate", "acb"), ("bytes", "cab"), ("silence", "bac")])
def test_the_highest_is_on_top(by: str, order: str) -> None:
    """What brought nothing yet is as silent as it is old."""
    rows = [
        a_row(id="a", age_seconds=1.0, rate_bytes_per_second=9.0, bytes_down=5, last_chunk_seconds_ago=0.9),
        a_row(id="b", age_seconds=9.0, rate_bytes_per_second=None, bytes_down=0, last_chunk_seconds_ago=None),
        a_row(id="c", age_seconds=5.0, rate_bytes_per_second=1.0, bytes_down=9, last_chunk_seconds_ago=0.1),
    ]
    assert "".join(each["id"] for each in ordered(rows, by)) == order


@pytest.mark.parametrize(
    ("total", "matching", "shown", "unanswered", "words"),
    [
        (3, 3, 3, [], "3 streams in 2 workers"),
        (30, 3, 3, [], "30 streams in 2 workers, 3 match"),
        (30, 30, 20, [], "30 streams in 2 workers, 20 shown"),
        (30, 30, 30, [7], "30 streams in 2 workers; no answer from worker 7"),
    ],
)
def test_the_whole_is_told_in_a_line(total: int, matching: int, shown: int, unanswered: list[int], words: str) -> None:
    """What is not shown, and who did not answer, is said."""
    told = {"total": total, "matching": matching, "workers": [{}, {}], "unanswered": unanswered}
    assert summary(told, shown) == words
