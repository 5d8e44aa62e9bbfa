"""Cases are read as they stand, and the reader of what an upstream got tells whole requests from cut ones."""

from pathlib import Path

import pytest
from support.desync_cases import read_cases
from support.echo_upstream import requests_in
from support.framing import InvalidFraming

_FILE = """== A group
Why.
~ GET /{0} HTTP/1.1
~ %
~
= refused 400

# one
> More.
| X: \\0\\r\\n\\\\\\xe9
+ Y: \\{{ab*3}}
# two
= relayed
< GET
<+ body
"""


def test_case_stands_within_its_group(tmp_path: Path) -> None:
    """Its lines are where the group wants them, escapes are octets, the verdict is its own if it has one."""
    (tmp_path / "cases.txt").write_text(_FILE.format("a"))
    one, two = read_cases(tmp_path / "cases.txt")
    assert one.octets == b"GET /a HTTP/1.1\r\nX: \0\r\n\\\xe9\r\nY: ababab\r\n"
    assert (one.verdict, one.why) == ("refused 400", ["Why.", "More."])
    assert (two.octets, two.verdict) == (b"GET /a HTTP/1.1\r\n\r\n", "relayed")
    assert (two.group, two.expected) == ("A group", b"GET\r\nbody")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("== A\nWhy.\n# one\n| X\n", "no verdict"),
        ("== A\n= refused\n# one\n| X\n", "no reason"),
        ("== A\nWhy.\n= refused\n# one\nX\n", "line 5"),
        ("== A\nWhy.\n= refused\n| X\n", "line 4"),
        ("== A\nWhy.\n= refused\n# one\n# one\n", "twice"),
    ],
)
def test_file_that_means_nothing_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """A case without a verdict or a reason proves nothing."""
    (tmp_path / "cases.txt").write_text(text)
    with pytest.raises(ValueError, match=what):
        read_cases(tmp_path / "cases.txt")


def test_requests_are_told_apart_and_a_cut_one_is_not_whole() -> None:
    """By their framing, which is read strictly."""
    whole = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    cut = b"POST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"
    seen = [(one.asked, one.body, one.whole) for one in requests_in(whole + cut)]
    assert seen == [("POST /a", b"hi", True), ("POST /b", b"half", False)]
    assert [one.whole for one in requests_in(whole + b"GET /c HT")] == [True, False]
    with pytest.raises(InvalidFraming):
        requests_in(b"POST /a HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx")
