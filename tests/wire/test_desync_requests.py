"""Requests that two readers could take for different ones: a corpus of raw octets, each with what may become of it.

The corpus is `desync/requests.txt`. Behind every message stands a canary, a request of the same client, and after it
somebody else asks on a connection of their own. Verdicts:

- ``refused STATUS...``: one problem document with one of these statuses, the end of the connection, and nothing of it
  reaches the upstream.
- ``cut STATUS...``: the same, but the head may have gone up already; its body never looks complete there.
- ``answered STATUS...``: answered here, nothing of it goes up, and the canary is served as itself.
- ``relayed``: exactly what is expected goes up, as read by two independent readers, and the canary is served as itself.
- ``relayed last``: the same, and the connection ends behind it: the canary is never served.
- ``ignored``: no answer, nothing goes up, the connection ends.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.desync_cases import Case, read_cases
from support.echo_upstream import Echo, Seen
from support.framing import PeerClosed
from support.rig import Rig, problem_code, request, without_id
from support.rude_client import RawResponse

CASES = read_cases(Path(__file__).parent / "desync" / "requests.txt")
_CANARY = request("GET /canary HTTP/1.1", "Connection: close")
_CANARY_SEEN = b"GET /canary HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
_OTHER_SEEN = b"GET /other HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
_MOST_DRIPPED_OCTETS = 1500


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), upstream={"keep_host": True}) as rig:
        yield rig


def answers_to(rig: Rig, octets: bytes, size: int) -> list[RawResponse]:
    """Send ``octets`` in pieces of ``size``; return all answers up to the connection's end, which must come."""
    answers: list[RawResponse] = []
    with rig.client(timeout_seconds=5.0) as client:
        try:
            for start in range(0, len(octets), size):
                client.send(octets[start : start + size])
        except ConnectionError:
            pass  # Answered and closed before all of it was sent.
        method = octets.lstrip(b"\r\n").split(b" ", 1)[0].decode("latin-1")
        while True:
            try:
                answers.append(client.read_response(method=method))
            except PeerClosed:
                return answers
            method = "GET"


def plain(rig: Rig, seen: Seen) -> bytes:
    """Return what the upstream saw, with ``up`` for its own address and without what the gateway adds."""
    head = without_id(seen.head) if seen.whole else seen.head
    return head.replace(rig.host.encode(), b"up") + seen.body


def assert_verdict(rig: Rig, case: Case, answers: list[RawResponse], seen: list[Seen]) -> None:
    """Compare what happened with what may."""
    verdict, *rest = case.verdict.split(" ")
    own = [plain(rig, one) for one in seen if one.whole]
    said = [(answer.status, answer.complete) for answer in answers]
    served = [answer.first("x-asked") for answer in answers if answer.first("x-asked") is not None]
    assert own.pop() == _OTHER_SEEN
    assert served == [one.decode("latin-1").rsplit(" HTTP/", 1)[0] for one in own_lines(own)], (case, answers, own)
    if verdict in ("refused", "cut"):
        assert [str(status) in rest for status, _ in said] == [True], (said, own)
        problem_code(answers[0])
        assert answers[0].all("connection") == ["close"]
        assert own == []
        partial = [one.head for one in seen if not one.whole]
        assert len(partial) <= (verdict == "cut"), partial
        return
    assert all(one.whole for one in seen), seen
    if verdict == "ignored":
        assert (said, own) == ([], [])
        return
    canary = [] if rest == ["last"] else [_CANARY_SEEN]
    if verdict == "answered":
        assert str(said[0][0]) in rest
        assert (said[1:], own) == ([(200, True)], canary)
    else:
        assert verdict == "relayed", verdict
        assert own == [case.expected, *canary]
        assert said == [(200, True)] * len(own)


def own_lines(messages: list[bytes]) -> list[bytes]:
    """Return the request lines."""
    return [message.partition(b"\r\n")[0] for message in messages]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.group}: {case.name}" for case in CASES])
def test_no_two_readers_differ_about_what_passes(rig: Rig, case: Case) -> None:
    """However its octets are cut: the verdict holds, every answer belongs to its request, and no other client's
    request meets a rest of it."""
    sizes = [len(case.octets + _CANARY)]
    if len(case.octets) <= _MOST_DRIPPED_OCTETS:
        sizes.append(1)
    for size in sizes:
        rig.plays(echo := Echo())
        answers = answers_to(rig, case.octets + _CANARY, size)
        echo.settle()
        assert rig.ask(request("GET /other HTTP/1.1")).body == b"GET /other"
        assert_verdict(rig, case, answers, echo.seen())


def test_the_corpus_is_as_large_as_promised() -> None:
    """At least 150 requests, of every verdict."""
    assert len(CASES) >= 150
    assert {case.verdict.split(" ")[0] for case in CASES} >= {"refused", "cut", "answered", "relayed"}
