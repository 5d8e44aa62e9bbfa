"""What each fault of an upstream becomes in each format, where the route asks for whole answers: one table.

The upstream breaks its stream once the client has the first frame. `abort` and `frame` are what the client sees with
each `on_error`: `whole` is a polite end of all that was sent, `cut` an end that no client takes for one, `frame` a
polite end behind an error of ours, `told` one behind an error of the upstream's.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product

import pytest
from support.answers import SAMPLES, Sample
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, Step, chunk, close, hang, reset
from support.stage import Stage

TABLE = """
fault             | formats                              | abort | frame | outcome   | failure

nothing           | sse any-sse openai responses         | whole | whole | complete  | -
nothing           | anthropic ndjson json csv            | whole | whole | complete  | -

cut between       | sse any-sse openai responses         | cut   | frame | truncated | body_cut
cut between       | anthropic ndjson                     | cut   | frame | truncated | body_cut
cut between       | json csv                             | cut   | cut   | truncated | body_cut

cut inside        | sse any-sse openai responses         | cut   | cut   | truncated | body_cut
cut inside        | anthropic ndjson json csv            | cut   | cut   | truncated | body_cut

end inside        | sse any-sse openai responses         | cut   | cut   | truncated | answer_unfinished
end inside        | anthropic ndjson json csv            | cut   | cut   | truncated | answer_unfinished

no terminal       | sse openai responses anthropic       | cut   | frame | truncated | answer_unfinished
no terminal       | json                                 | cut   | cut   | truncated | answer_unfinished
no terminal       | any-sse ndjson csv                   | whole | whole | complete  | -

silence inside    | sse any-sse openai responses         | cut   | cut   | timed_out | idle_timeout
silence inside    | anthropic ndjson json csv            | cut   | cut   | timed_out | idle_timeout

silence between   | sse any-sse openai responses         | cut   | frame | timed_out | idle_timeout
silence between   | anthropic ndjson                     | cut   | frame | timed_out | idle_timeout
silence between   | json csv                             | cut   | cut   | timed_out | idle_timeout

left open         | sse openai responses anthropic json  | whole | whole | complete  | -
left open         | any-sse ndjson                       | cut   | frame | timed_out | idle_timeout
left open         | csv                                  | cut   | cut   | timed_out | idle_timeout

cut behind        | sse openai responses anthropic json  | whole | whole | complete  | -
cut behind        | any-sse ndjson                       | cut   | frame | truncated | body_cut
cut behind        | csv                                  | cut   | cut   | truncated | body_cut

error             | openai responses anthropic ndjson    | told  | told  | truncated | in_band_error
error             | sse any-sse json csv                 | -     | -     | -         | -

malformed         | openai responses anthropic ndjson    | cut   | frame | truncated | answer_malformed
malformed         | json csv                             | cut   | cut   | truncated | answer_malformed
malformed         | sse any-sse                          | -     | -     | -         | -
"""
"""`-` throughout: the format has no such thing. Plain SSE may hold anything; errors have a form where an API gives it
one. Formats without a word for their end (any-sse, ndjson, csv) are whole where the last frame and the framing end."""

_COMMITTED = threading.Event()
"""The client has the first frame: what breaks from now on breaks behind the commit."""


def committed(connection: ScriptedConnection) -> None:
    assert _COMMITTED.wait(5), "the first frame did not reach the client"


def of(fault: str, sample: Sample) -> list[Step]:
    """Return what the upstream does behind the first frame of a chunked body."""
    end, rest = chunk(b""), chunk(sample.second + sample.last)
    return {
        "nothing": [rest, end],
        "cut between": [chunk(sample.second), reset],
        "cut inside": [chunk(sample.second + sample.half), reset],
        "end inside": [chunk(sample.second + sample.half), end],
        "no terminal": [chunk(sample.second), end],
        "silence inside": [chunk(sample.second + sample.half), hang],
        "silence between": [chunk(sample.second), hang],
        "left open": [rest, hang],
        "cut behind": [rest, reset],
        "error": [chunk(sample.error), end],
        "malformed": [chunk(sample.second), chunk(sample.broken + sample.last), end],
    }[fault]


@dataclass(frozen=True)
class Cell:
    """One fault in one format on a route with one `on_error`, and what becomes of it."""

    fault: str
    format: str
    on_error: str
    seen: str
    outcome: str
    failure: str | None

    @property
    def sample(self) -> Sample:
        return SAMPLES[self.format.replace("-", " ")]

    @property
    def route(self) -> str:
        """Silence ends soon only where it is the fault: what else goes wrong may be late on a busy machine."""
        patience = "short" if self.fault.startswith("silence") or self.fault == "left open" else "long"
        return f"{self.on_error}-{self.format}-{patience}"


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the table's rows, one for each format."""
    for line in [line for line in TABLE.splitlines() if line][1:]:
        fault, formats, *rest = (cell.strip() for cell in line.split("|"))
        for format in formats.split():
            yield (fault, format, *rest)


def cells() -> list[Cell]:
    """Return the cells of the table that can happen."""
    return [
        Cell(fault, format, on_error, seen, outcome, None if failure == "-" else failure)
        for fault, format, abort, frame, outcome, failure in rows()
        for on_error, seen in (("abort", abort), ("frame", frame))
        if seen != "-"
    ]


CELLS = cells()


def head(sample: Sample, *lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Type: {sample.content_type}", *lines, "", ""]).encode()


def routes() -> dict[str, dict[str, object]]:
    return {
        f"{on_error}-{name.replace(' ', '-')}-{patience}": {
            "stream": sample.stream | {"on_error": on_error, "after_terminal": "100ms"}
            if sample.last
            else sample.stream | {"on_error": on_error},
            "timeouts": {"idle": idle},
        }
        for name, sample in SAMPLES.items()
        for on_error in ("abort", "frame")
        for patience, idle in (("short", "600ms"), ("long", "10s"))
    }


@pytest.fixture(scope="module")
def stage(tls_files: TlsFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield stack.enter_context(Stage(tmp_path_factory.mktemp("truth"), tls_files, routes=routes()))


def play(stage: Stage, cell: Cell, script: Script, version: str) -> tuple[str, bytes, dict[str, object]]:
    """Return what the client saw, in the table's words, the body, and the log line."""
    _COMMITTED.clear()
    with stage.scene(script, cell.route) as scene, RudeClient(stage.gateway.address) as client:
        client.send(f"GET {scene.target} HTTP/{version}\r\nHost: gateway.test\r\n\r\n".encode())
        wait_until(lambda: cell.sample.first in client.socket.recv(65536, socket.MSG_PEEK), what="the first frame")
        _COMMITTED.set()
        body, complete = read(client, version)
        line = scene.line()
    ours = b"gateway_error" in body or b"api_error" in body
    if not complete:
        return "cut" if not ours else "cut behind a frame", body, line
    if ours:
        return "frame", body, line
    return ("told" if cell.sample.error and cell.sample.error in body else "whole"), body, line


def read(client: RudeClient, version: str) -> tuple[bytes, bool]:
    answer = client.read_response()
    # Only a reset tells a client of HTTP/1.0 that a body without a length did not come whole.
    return answer.body, answer.complete if version == "1.1" else answer.ending == "eof"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    "cell", CELLS, ids=lambda cell: f"{cell.fault}:{cell.format}:{cell.on_error}".replace(" ", "-")
)
def test_fault_ends_as_the_table_says(stage: Stage, cell: Cell, version: str) -> None:
    """What the client sees and the record tells, whatever version of HTTP the client speaks."""
    sample = cell.sample
    begin = [head(sample, "Transfer-Encoding: chunked"), chunk(sample.first), committed]

    seen, body, line = play(stage, cell, [*begin, *of(cell.fault, sample)], version)

    assert (seen, line["outcome"], line["failure"]) == (cell.seen, cell.outcome, cell.failure)
    assert line["status"] == 200
    if version == "1.1" or cell.seen != "cut":  # A reset may take octets with it that were not read yet.
        assert body.startswith(sample.first)
    if cell.seen == "whole":
        assert body == sample.first + sample.second + (b"" if cell.fault == "no terminal" else sample.last)


LENGTH_FAULTS = {
    "end inside": lambda sample: sample.second + sample.half,
    "no terminal": lambda sample: sample.second,
    "malformed": lambda sample: sample.second + sample.broken,
    "error": lambda sample: sample.error,
    "nothing": lambda sample: sample.second + sample.last,
}
LENGTH_CELLS = [cell for cell in CELLS if cell.fault in LENGTH_FAULTS]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    "cell", LENGTH_CELLS, ids=lambda cell: f"{cell.fault}:{cell.format}:{cell.on_error}".replace(" ", "-")
)
def test_body_with_a_length_is_short_where_it_is_not_whole(stage: Stage, cell: Cell, version: str) -> None:
    """Its length comes whole from the upstream; the client that counts finds octets missing. No frame fits in there."""
    sample, rest = cell.sample, LENGTH_FAULTS[cell.fault](cell.sample)
    length = len(sample.first + rest)
    script = [head(sample, f"Content-Length: {length}"), sample.first, committed, rest]

    seen, body, line = play(stage, cell, script, version)

    assert (line["outcome"], line["failure"]) == (cell.outcome, cell.failure)
    assert (len(body) == length) == (cell.seen in ("whole", "told"))
    assert seen == cell.seen.replace("frame", "cut") or version == "1.0"


@pytest.mark.parametrize(
    "cell", LENGTH_CELLS, ids=lambda cell: f"{cell.fault}:{cell.format}:{cell.on_error}".replace(" ", "-")
)
def test_body_that_ends_with_its_connection_ends_as_the_table_says(stage: Stage, cell: Cell) -> None:
    """The upstream's close looks like an end; the format knows better."""
    sample, rest = cell.sample, LENGTH_FAULTS[cell.fault](cell.sample)
    script = [head(sample, "Connection: close"), sample.first, committed, rest, close]
    if cell.fault == "malformed":
        script[-2:] = [sample.second, 0.05, sample.broken, close]

    seen, _, line = play(stage, cell, script, "1.1")

    assert (seen, line["outcome"], line["failure"]) == (cell.seen, cell.outcome, cell.failure)


def test_table_names_each_fault_in_each_format_once() -> None:
    """No cell of the matrix is left out, and none is told twice."""
    told = sorted(row[:2] for row in rows())
    faults = {fault for fault, _ in told}
    assert told == sorted(product(faults, (name.replace(" ", "-") for name in SAMPLES)))
