"""What an intermediary removes from field lines, and what it must not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.fields import HOP_BY_HOP, KEPT, end_to_end, remove_field, request_fields, set_field
from gateway.exchange.message import Fields

X = ("X-Kept", "1")


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_field_does_not_go_on(name: str) -> None:
    """What speaks about one connection stays on it, in any case of letters."""
    assert end_to_end([(name.title(), "a"), X, (name.upper(), "b")]) == [X]


@pytest.mark.parametrize(
    "connection",
    [
        [("Connection", "X-Gone")],
        [("connection", "close, x-gone")],
        [("CONNECTION", " ,\tX-GONE ,, keep-alive,")],
        [("Connection", "close"), ("Connection", "x-gone")],
        [("Connection", "x-gone,x-absent")],
        [("Connection", "x-gone,x-gone")],
    ],
)
def test_field_named_by_connection_is_removed(connection: Fields) -> None:
    """Odd spacing, empty members and several lines do not hide a name (RFC 9110 section 7.6.1)."""
    assert end_to_end([("x-Gone", "1"), *connection, X, ("X-Gone", "2")]) == [X]


@pytest.mark.parametrize("name", [*sorted(KEPT), "x-forwarded-for", "x-forwarded-anything"])
def test_connection_cannot_remove_what_others_need(name: str) -> None:
    """A client or an upstream cannot make the fields vanish by which others decide."""
    assert end_to_end([("Connection", f"close, {name}"), (name, "1")]) == [(name, "1")]


def test_all_other_lines_keep_order_case_repetition_and_octets() -> None:
    """Whatever is not ours to touch goes on as it came."""
    fields = [("x-B", ""), ("Set-Cookie", "a=1"), ("X_u", "\xff\x80"), ("Set-Cookie", "b=2"), ("x-B", " , ")]

    assert end_to_end(fields) == fields
    assert end_to_end([*fields, ("Connection", "close")]) == fields


def test_request_goes_up_without_content_length() -> None:
    """The transport alone says how the body is framed."""
    assert request_fields([("content-LENGTH", "5"), X, ("Connection", "Content-Length")]) == [X]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Connection", "TE", "X-A", "x-b", "Host"]), st.sampled_from(["x-a", "x-b,", "host", ""])
        )
    )
)
def test_removal_is_complete_at_once(fields: Fields) -> None:
    """A second pass finds nothing more, and what remains is in its old order."""
    kept = end_to_end(fields)
    rest = iter(fields)

    assert end_to_end(kept) == kept
    assert all(line in rest for line in kept)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [("Host", "n")]),
        ([X], [X, ("Host", "n")]),
        ([("host", "a"), X], [("Host", "n"), X]),
        ([X, ("HOST", "a"), X, ("host", "b")], [X, ("Host", "n"), X]),
    ],
)
def test_field_that_is_set_stands_once_in_the_place_of_the_first(before: Fields, after: Fields) -> None:
    """There is exactly one line of the name afterwards."""
    set_field(before, "Host", "n")

    assert before == after


def test_field_that_is_removed_is_gone_in_every_case() -> None:
    """All lines of the name go, and the list is the same object."""
    fields = [("a-B", "1"), X, ("A-b", "2")]

    remove_field(fields, "A-B")

    assert fields == [X]
