"""Answers that two readers could take for different ones: a corpus of raw octets, each with what the client may see.

The corpus is `desync/responses.txt`. Behind every answer the upstream says a poison, a whole answer that nobody asked
for; then the same client and another one ask again. Verdicts:

- ``502``: a problem document in its place; nothing of the answer reaches the client.
- ``cut``: the head and what is expected of the body reach the client, which sees that the rest is missing.
- ``relayed``: the client sees exactly what is expected, interim answers included.

``closes`` behind a verdict: the upstream closes where the poison would be. ``to HEAD``: the request's method.
``behind interim``: interim answers that came well before were handed on.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.desync_cases import Case, read_cases
from support.framing import FieldLines
from support.rig import Rig, fields_but, problem_code, request
from support.rude_client import RawResponse
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import close, for_each_request, hang, read_request, response

CASES = read_cases(Path(__file__).parent / "desync" / "responses.txt")
_POISON = response(b"evil", "X-Evil: 1")
_CODES = {"head_invalid", "head_too_large", "head_missing", "upgrade_refused"}
_MOST_DRIPPED_OCTETS = 1500


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def as_text(line: str, fields: FieldLines) -> bytes:
    """Return a head as it stood on the wire, without what the gateway adds of its own."""
    lines = [f"{name}: {value}" for name, value in fields_but(fields, "date", "x-request-id")]
    return "\r\n".join([line, *lines, "", ""]).encode("latin-1")


def seen_by_the_client(answer: RawResponse) -> bytes:
    """Return all heads and the body without its framing."""
    interim = [as_text(head.first_line, head.fields) for head in answer.interim]
    final = as_text(f"{answer.version} {answer.status} {answer.reason}", answer.fields)
    return b"".join([*interim, final, answer.body])


def assert_verdict(case: Case, answer: RawResponse) -> None:
    """Compare what the client got with what it may get."""
    verdict = case.verdict.split(" ")[0]
    assert b"evil" not in seen_by_the_client(answer)
    if verdict == "502":
        assert answer.status == 502, answer
        assert "to HEAD" in case.verdict or problem_code(answer) in _CODES
        assert bool(answer.interim) == ("behind interim" in case.verdict), answer
        return
    assert verdict in ("cut", "relayed"), verdict
    assert answer.complete == (verdict == "relayed"), answer
    assert seen_by_the_client(answer) == case.expected


@pytest.mark.parametrize("dripped", [False, True], ids=["at once", "octet by octet"])
@pytest.mark.parametrize("case", CASES, ids=[f"{case.group}: {case.name}" for case in CASES])
def test_no_two_readers_differ_about_an_answer(rig: Rig, case: Case, dripped: bool) -> None:
    """However its octets are cut: the verdict holds, and no other request is answered with a rest of it."""
    if dripped and len(case.octets) > _MOST_DRIPPED_OCTETS:
        return
    said = threading.Event()
    closes, method = "closes" in case.verdict, "HEAD" if case.verdict.endswith("to HEAD") else "GET"
    octets = case.octets + (b"" if closes else _POISON)

    def say(connection: ScriptedConnection) -> None:
        size = 1 if dripped else len(octets)
        try:
            for start in range(0, len(octets), size):
                connection.send(octets[start : start + size])
        except ConnectionError:
            pass  # The gateway has heard enough.
        finally:
            said.set()

    rig.plays([read_request, say, close if closes else hang], for_each_request(response(b"good")))
    with rig.client(timeout_seconds=5.0) as client:
        answer = client.send(request(f"{method} /first HTTP/1.1")).read_response(method=method)
        assert_verdict(case, answer)
        assert said.wait(5.0)
        assert rig.ask(request("GET /other HTTP/1.1")).body == b"good"
        if answer.complete and answer.all("connection") != ["close"]:
            assert client.get("/next").read_response().body == b"good"


def test_the_corpus_is_as_large_as_promised() -> None:
    """At least 80 answers, of every verdict."""
    assert len(CASES) >= 80
    assert {case.verdict.split(" ")[0] for case in CASES} == {"502", "cut", "relayed"}
