"""A JSON document is whole where its brackets are balanced."""

import pytest

from gateway.exchange.marks import InBandError, Marks, Usage
from gateway.formats.brackets import DEEPEST
from gateway.formats.json import LARGEST_DOCUMENT_BYTES, LARGEST_SCALAR_BYTES, Json, JsonAnswer

AFTER = "something follows the end of the value"
OPEN = "the value did not end"


def fed(*chunks: bytes) -> Json:
    """Return a watcher that has seen these chunks."""
    format = Json()
    for chunk in chunks:
        format.feed(chunk)
    return format


@pytest.mark.parametrize(
    ("data", "missing", "malformed"),
    [
        (b"{}", None, None),
        (b" \r\n\t[1, 2]\n\n", None, None),
        (b"\xef\xbb\xbf{}", None, None),
        (b'{"a":"}"}', None, None),
        (b'{"a":"\\"}"}', None, None),
        (b'{"a":"\\\\"}', None, None),
        (b'{"a":"\\\\\\"}"}', None, None),
        (b'["a","b",{"c":["d"]}]', None, None),
        (b'"text"', None, None),
        (b'"te\\"xt" ', None, None),
        (b"true", None, None),
        (b"-1.5e3 ", None, None),
        (b"1" * 5000, None, None),
        (b"", "there is no value", None),
        (b" \n", "there is no value", None),
        (b"{", OPEN, None),
        (b'{"a":"}', OPEN, None),
        (b'{"a":"\\\\\\"}', OPEN, None),
        (b"[[]", OPEN, None),
        (b'"text', OPEN, None),
        (b'"text\\"', OPEN, None),
        (b"tru", OPEN, None),
        (b"nonsense", OPEN, None),
        (b"<html>{}", OPEN, "the body is not JSON"),
        (b"{]", OPEN, "a bracket is closed by one of the other kind"),
        (b"[{}}", OPEN, "a bracket is closed by one of the other kind"),
        (b'{"a":[1}', OPEN, "a bracket is closed by one of the other kind"),
        (b"{} {}", None, AFTER),
        (b"{} x", None, AFTER),
        (b'{} "a"', None, AFTER),
        (b'{} "', None, AFTER),
        (b"{}}", None, AFTER),
        (b"{}]", None, AFTER),
        (b"[1][2", None, AFTER),
        (b"[[1]] [", None, AFTER),
        (b"[[1]] [{]", None, AFTER),
        (b'"a" "b', None, AFTER),
        (b'"a" "b"', None, AFTER),
        (b'"a"}', None, AFTER),
        (b"[" * 100 + b"]" * 100, None, None),
        (b"[" * 100 + b"{" + b"]" * 100, OPEN, "a bracket is closed by one of the other kind"),
        (b"[" * 100 + b"]" * 101, None, AFTER),
        (b"[" * (DEEPEST + 1), OPEN, f"the value is nested more than {DEEPEST} levels deep"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_value_ends_with_its_last_bracket_and_nothing_may_follow(
    data: bytes, missing: str | None, malformed: str | None
) -> None:
    """Brackets in texts are none. What is seen depends on the octets, not on their pieces."""
    for format in (fed(data), fed(data[:-1], data[-1:], b""), fed(data[:2], data[2:5], data[5:])):
        assert format.end() == missing
        assert format.marks.malformed == malformed
        assert format.marks.terminal is (missing is None)
        assert format.marks.frames == (missing is None)


def test_octets_count_from_the_first_that_is_not_white_space() -> None:
    """White space before it only keeps the connection alive, and more of it may be put in."""
    format = fed(b" \n")
    assert format.marks == Marks("json")
    format.feed(b' {"a"')
    assert format.marks == Marks("json", meaningful=1, progress_bytes=4, boundary=False)
    format.feed(b": 1} \n")
    assert format.marks == Marks("json", frames=1, meaningful=1, progress_bytes=10, boundary=False, terminal=True)
    format.feed(b"x")
    assert (format.marks.malformed, format.marks.terminal, format.marks.progress_bytes) == (AFTER, True, 11)


def test_octets_after_a_fault_are_counted_and_no_more() -> None:
    """The first fault is the one that is told."""
    format = fed(b"[}", b"]", b"{}")
    assert format.marks.malformed == "a bracket is closed by one of the other kind"
    assert (format.marks.progress_bytes, format.marks.terminal) == (5, False)


def test_scalar_is_kept_up_to_its_bound_and_ends_where_the_body_does() -> None:
    """A longer one is not looked at."""
    format = fed(*[b"9" * 1000] * 10)
    assert format._scalar is not None and len(format._scalar) == LARGEST_SCALAR_BYTES + 1
    assert not format.marks.terminal
    assert format.end() is None and format.end() is None
    assert format.marks.terminal


def answer(*chunks: bytes) -> Marks:
    """Return the marks of a document of a known API."""
    format = JsonAnswer()
    for chunk in chunks:
        format.feed(chunk)
    return format.marks


def test_usage_of_a_known_api_is_read_where_its_document_ends() -> None:
    """Whatever its pieces."""
    data = b' {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n'
    assert answer(data).usage == answer(*(data[at : at + 1] for at in range(len(data)))).usage == Usage(1, 2, 3)
    assert (answer(data).meaningful, answer(data[:-2]).meaningful, answer(data[:-2]).usage) == (1, 0, None)


@pytest.mark.parametrize(
    ("document", "code", "status"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error"}}', "overloaded_error", 529),
        (b'{"error":{"code":429},"user_id":"u"}', "429", 429),
    ],
)
def test_error_of_a_known_api_under_a_good_status_is_an_error_within(document: bytes, code: str, status: int) -> None:
    """It is whole, and none of the answer."""
    marks = answer(document, b"\n")
    assert marks.error == InBandError(code, status, document)
    assert (marks.frames, marks.meaningful, marks.terminal) == (1, 0, True)


@pytest.mark.parametrize("document", [b'{"error":null}', b"[1]", b'"text"', b"{what}"])
def test_document_of_a_known_api_that_says_neither_is_an_answer(document: bytes) -> None:
    """Only its structure is checked."""
    marks = answer(document)
    assert (marks.error, marks.usage, marks.meaningful, marks.terminal) == (None, None, 1, True)


def test_scalar_of_a_known_api_is_an_answer_where_it_ends() -> None:
    """It is no object, so it says nothing of either."""
    format = JsonAnswer()
    format.feed(b"12")
    assert format.end() is None
    assert (format.marks.meaningful, format.marks.terminal) == (1, True)


def test_document_larger_than_what_is_kept_is_followed_without_being_read() -> None:
    """It is meaningful from there on, for nothing more is awaited of it."""
    format = JsonAnswer()
    format.feed(b'{"usage":{"input_tokens":1},"a":"')
    for at in range(0, LARGEST_DOCUMENT_BYTES + 1000, 1000):
        assert format.marks.meaningful == (at + 33 > LARGEST_DOCUMENT_BYTES)
        format.feed(b"x" * 1000)
        assert format._kept is None or len(format._kept) <= LARGEST_DOCUMENT_BYTES
    format.feed(b'"}')
    assert (format.marks.terminal, format.marks.usage, format.marks.meaningful) == (True, None, 1)
