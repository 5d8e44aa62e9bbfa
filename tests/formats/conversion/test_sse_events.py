"""SSE to NDJSON: one line for each event, nothing of it lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.conversions import Made, converted

from gateway.formats.conversion.fault import FRAME_LIMIT_BYTES, Why


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ('data: {"a": 1}\n\n', '{"data":{"a": 1}}\n'),
        ("data: [1, 2]\n\n", '{"data":[1, 2]}\n'),
        ("data: [DONE]\n\n", '{"data":"[DONE]"}\n'),
        ("data: hello\n\n", '{"data":"hello"}\n'),
        ('data: "hello"\n\n', '{"data":"\\"hello\\""}\n'),
        ("data: 1.50\n\n", '{"data":"1.50"}\n'),
        ("data: {broken\n\n", '{"data":"{broken"}\n'),
        ("data: {NaN\n\n", '{"data":"{NaN"}\n'),
        ("data: [NaN]\n\n", '{"data":"[NaN]"}\n'),
        ("event: tick\nid: 7\ndata: x\n\n", '{"event":"tick","id":"7","data":"x"}\n'),
        ("event: done\n\n", '{"event":"done"}\n'),
        ("data: a\ndata: b\n\n", '{"data":"a\\nb"}\n'),
        ('data: {"a":\ndata:  1,\ndata: "b c": "d  e"}\n\n', '{"data":{"a":1,"b c":"d  e"}}\n'),
        ("data\n\n", '{"data":""}\n'),
        ("data:\n\n", '{"data":""}\n'),
        ("data:  two\n\n", '{"data":" two"}\n'),
        (": ping\n\n: ping\n\n", ""),
        ("retry: 100\n\n", ""),
        ("id: 1\n\ndata: x\n\ndata: y\n\n", '{"id":"1","data":"x"}\n{"data":"y"}\n'),
        ("id: a\0b\ndata: x\n\n", '{"data":"x"}\n'),
        ("id\ndata: x\n\n", '{"id":"","data":"x"}\n'),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", '{"data":"a"}\n{"data":"b"}\n{"data":"c"}\n'),
        ("\ufeffdata: x\n\n", '{"data":"x"}\n'),
        ("nonsense: x\n\n", ""),
        ("", ""),
        ("data: \u2028é\n\n", '{"data":"\u2028é"}\n'),
    ],
)
def test_each_event_becomes_a_line(events: str, lines: str) -> None:
    """Data that is an object or an array is itself, all other data is text; what has a name or data is a line."""
    assert converted("sse", "ndjson", events.encode()) == Made(lines.encode())


def test_cr_ends_an_event_before_it_is_known_that_no_lf_follows() -> None:
    """An event whose lines end with CR alone goes out with its last octet."""
    assert converted("sse", "ndjson", b"data: x\r\r").octets == b'{"data":"x"}\n'
    assert converted("sse", "ndjson", b"data: x\r", b"\n\r", b"\ndata: y\n\n") == Made(b'{"data":"x"}\n{"data":"y"}\n')


@pytest.mark.parametrize("half", ["data: x", "data: x\n", "event: done\n", "dat", "id: 5"])
def test_half_an_event_at_the_end_is_a_failure_and_not_a_line(half: str) -> None:
    """What came before goes out, the rest does not, and the end is no clean one."""
    made = converted("sse", "ndjson", b"data: 1\n\n" + half.encode())

    assert made == Made(b'{"data":"1"}\n', Why.UNFINISHED, "event 2: the body ends within it")


def test_half_a_comment_at_the_end_is_nothing() -> None:
    """What would not have been a line does not make the end unclean."""
    assert converted("sse", "ndjson", b"data: 1\n\n: pi") == Made(b'{"data":"1"}\n')


def test_octets_that_are_no_text_become_replacement_characters() -> None:
    """As the standard says, so that every line is valid JSON."""
    assert converted("sse", "ndjson", b"data: \xff!\n\n").octets == '{"data":"\ufffd!"}\n'.encode()


@pytest.mark.parametrize("line", [b"data: ", b": "])
def test_event_above_the_limit_fails(line: bytes) -> None:
    """An event is held until it is whole, up to a bound, whatever its lines are."""
    largest = line + b"x" * (FRAME_LIMIT_BYTES - len(line))

    assert converted("sse", "ndjson", largest + b"\n\n").why is None
    made = converted("sse", "ndjson", b"data: 1\n\n" + largest + b"x")
    assert (made.octets, made.why) == (b'{"data":"1"}\n', Why.MALFORMED)
    assert made.detail == f"event 2: longer than {FRAME_LIMIT_BYTES} octets, the most that is held for a conversion"


def test_event_of_many_short_lines_above_the_limit_fails() -> None:
    """The bound is on the event, not on a line."""
    line = b"data: 0123456789\n"

    assert converted("sse", "ndjson", *[line * 1000] * 70).why is Why.MALFORMED


def test_many_events_and_comments_are_not_added_up() -> None:
    """Any number of small events passes."""
    made = converted("sse", "ndjson", *[b": ping\n\ndata: 0123456789\n\n" * 1000] * 70)

    assert (made.why, made.octets.count(b"\n")) == (None, 70_000)


_WORDS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.tuples(
            _WORDS,
            _WORDS,
            st.dictionaries(_WORDS, _VALUES, max_size=3)
            | st.lists(_VALUES, max_size=3)
            | st.lists(_WORDS).map("\n".join),
        ),
        max_size=5,
    )
)
def test_whatever_was_said_in_events_is_read_from_lines(events: list[tuple[str, str, object]]) -> None:
    """Names, ids and data of any events come back from the lines as they were."""
    body = ""
    for name, id, data in events:
        text = data if isinstance(data, str) else json.dumps(data, indent=1)
        body += f"event: {name}\nid: {id}\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"

    made = converted("sse", "ndjson", body.encode())

    assert made.why is None
    lines = [json.loads(line) for line in made.octets.split(b"\n")[:-1]]
    assert [(line.get("event", ""), line["id"]) for line in lines] == [(name, id) for name, id, _ in events]
    for line, (_, _, data) in zip(lines, events, strict=True):
        if isinstance(data, str) and not isinstance(line["data"], str):
            data = json.loads(data)
        assert line["data"] == data
