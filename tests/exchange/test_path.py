"""The segments of raw paths, and where their dot segments lead."""

import posixpath
import re
import time
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.path import below, escapes, prefix_segments, resolutions, segments_for_match, split_query

NASTY = st.lists(
    st.sampled_from(
        [
            "/",
            "//",
            "a",
            "b.c",
            ".",
            "..",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "\\",
            "%252e",
            "%252f",
            ";",
            "%00",
            "é",
            "...",
            "%",
        ]
    ),
    max_size=12,
).map(lambda parts: "/" + "".join(parts))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a?x=1", ("/a", "?x=1")),
        ("/a?", ("/a", "?")),
        ("/a", ("/a", "")),
        ("/a?b?c/d", ("/a", "?b?c/d")),
    ],
)
def test_target_splits_at_its_first_question_mark(target: str, expected: tuple[str, str]) -> None:
    """Path and query together are the target again, an empty query told from none."""
    assert split_query(target) == expected


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ("",)),
        ("/v1/private", ("v1", "private")),
        ("/v1/%70rivate", ("v1", "private")),
        ("/v1/%7Euser%2D", ("v1", "~user-")),
        ("/a%2Fb", ("a%2Fb",)),
        ("/a%252E", ("a%252E",)),
        ("/%3a%20", ("%3a%20",)),
        ("/a//b/", ("a", "", "b", "")),
        ("/%2e%2E", ("..",)),
        ("/%zz%4", ("%zz%4",)),
        ("*", ()),
    ],
)
def test_path_is_compared_with_only_its_unreserved_escapes_decoded(path: str, segments: tuple[str, ...]) -> None:
    """No spelling that RFC 3986 calls equivalent slips past a narrower route, and nothing else is decoded."""
    assert segments_for_match(path) == segments


@pytest.mark.parametrize(
    ("prefix", "segments"),
    [("", ()), ("/", ()), ("/openai", ("openai",)), ("/openai/", ("openai",)), ("/a//b/", ("a", "", "b"))],
)
def test_prefix_with_or_without_last_slash_is_the_same(prefix: str, segments: tuple[str, ...]) -> None:
    """A route's prefix is whole segments; its last slash adds none."""
    assert prefix_segments(prefix) == segments


@pytest.mark.parametrize(
    ("path", "count", "rest"),
    [
        ("/a/b", 0, "/a/b"),
        ("/a/b", 1, "/b"),
        ("/a/b/", 2, "/"),
        ("/a", 1, ""),
        ("/a", 3, ""),
        ("/a//b", 1, "//b"),
        ("/%61%2F/%62", 1, "/%62"),
    ],
)
def test_segments_taken_off_a_raw_path_leave_the_octets_of_the_rest(path: str, count: int, rest: str) -> None:
    """What remains begins with its slash and is spelled as it came."""
    assert below(path, count) == rest


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/../x",
        "..",
        "/a/../..",
        "/a//../..",
        "//..",
        "/./..",
        "/%2e%2e/x",
        "/.%2E/x",
        "/..%2f",
        "/..%2Fx",
        "/..%5c",
        "/..\\x",
        "/..;x/y",
        "/..;/y",
        "/..%3bx/y",
        "/%2e%2e;a%2fb/",
        "/%252e%252e%252f",
        "/%25252e%25252e/",
        "/%25%32%65%25%32%65/",
        "/..%00/x",
        "/..%20/x",
        "/.%09./x",
        "/..%3fq",
        "/..%23q",
        "/%c0%ae%c0%ae/x",
        "/..%c0%af",
        "/..%c1%9c",
        "/%e0%80%ae./x",
        "/%ef%bc%8e%ef%bc%8e/x",
        "/%u002e%u002E/x",
        "/..%u005cx",
        "/a%2fb/%2e%2e/%2e%2e",
        "/;x/..",
        "/a/..%2f..",
        "/a/b/%252525252525252525252e",
    ],
)
def test_path_that_some_reader_takes_out_of_the_prefix_escapes(path: str) -> None:
    """Every spelling of a way out is seen, in any mix and escaped any number of times."""
    assert escapes(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a",
        "/a/..",
        "/a/../b",
        "/a/./b/../c",
        "/a/b/../../c",
        "/...",
        "/a..b/..c/d..",
        "/%2e/x",
        "/a%2f../b",
        "/a%2Fb",
        "/a/%2e%2e",
        "/x%00",
        "/%ff%fe",
        "/caf\xe9",
        "/a;b=..",
        "/100%",
        "/%252525",
    ],
)
def test_path_that_stays_inside_for_every_reader_does_not_escape(path: str) -> None:
    """Dot segments that only lead back to where the path has been, and names with dots, are fine."""
    assert not escapes(path)


@settings(deadline=None)
@given(NASTY)
def test_path_that_is_let_through_stays_inside_after_any_usual_normalising(path: str) -> None:
    """Whatever combination of decoding, backslashes and merged slashes a server knows, it ends below the root."""
    if escapes(path):
        return
    for form in (path, unquote(path), unquote(unquote(path))):
        for text in (form, form.replace("\\", "/"), re.sub(";[^/]*", "", form)):
            assert not posixpath.normpath("r/" + text).startswith("..")
            assert posixpath.normpath("r/" + text).split("/")[0] == "r"


@settings(deadline=None)
@given(st.text(alphabet="abc.~-_/", max_size=30))
def test_path_without_dot_segments_never_escapes(path: str) -> None:
    """No ordinary path is refused."""
    if ".." not in path.split("/"):
        assert not escapes(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", set()),
        ("/a.b/%20", set()),
        ("/a%2fb", set()),
        ("/a/../b", {"/b"}),
        ("/a/./b", {"/a/b"}),
        ("/../b", {"/b"}),
        ("/x//../b", {"/x/b", "/b"}),
        ("/a/%2e%2e/b", {"/b"}),
        ("/a%2f..%2fb", {"/b"}),
        ("/a%2fx/%2e%2e/b", {"/b", "/a/b"}),
        ("/a/..;v=1/b", {"/b"}),
    ],
)
def test_path_with_dot_segments_is_resolved_as_each_reader_would(path: str, expected: set[str]) -> None:
    """Every path that a reader could make of it is found; a path without dot segments has none."""
    assert resolutions(path) == expected


def test_path_escaped_a_thousand_times_is_judged_at_once() -> None:
    """The longest path a request line can hold costs no more than a moment, however it is made."""
    started = time.process_time()

    assert escapes("/" + "%" + "25" * 8000)
    escapes("/" + "a%2f..%255c" * 1500)
    resolutions("/" + "a%2f..%255c" * 1500)

    assert time.process_time() - started < 2
