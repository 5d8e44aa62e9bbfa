"""What a route's format sees in a body, and what becomes of one that is not whole. No clock, no network."""

from collections.abc import Iterator

import pytest
from support.exchanges import ListedChunks, a_failure, a_reply, a_request, a_route, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    ANSWER_MALFORMED,
    ANSWER_UNFINISHED,
    BODY_CUT,
    BODY_INVALID,
    CLIENT_GONE,
    DRAINED,
    IDLE_TIMEOUT,
    IN_BAND_ERROR,
    INTERNAL,
    TOTAL_TIMEOUT,
    Failure,
    FailureError,
    Interruption,
    Kind,
)
from gateway.exchange.marks import InBandError, Marks
from gateway.exchange.message import Reply, Source
from gateway.exchange.route import Stream
from gateway.policy import watching
from gateway.policy.watching import Ending, ending, watched

TERMINAL = Stream(format="openai", complete="terminal")
FRAMING = Stream(format="openai")
TOLD = InBandError("overloaded", 529, b"{}")


class Letters:
    """A format of letters: ``f`` is a frame, ``.`` its end, ``T`` the terminal, ``E`` an error, ``!`` malformed."""

    def __init__(self) -> None:
        self.marks = Marks("openai")
        self.ended = 0

    def feed(self, data: bytes) -> None:
        marks = self.marks
        for letter in data.decode():
            marks.boundary = letter == "."
            marks.meaningful += letter == "f"
            marks.frames += letter == "."
            marks.terminal = marks.terminal or letter == "T"
            if letter == "E":
                marks.error = TOLD
            if letter == "!":
                marks.malformed = "no letter"

    def end(self) -> str | None:
        self.ended += 1
        if not self.marks.boundary:
            return "the end of a frame"
        return None if self.marks.terminal else "the terminal"


class Body:
    """A watched body over listed chunks; ``expected`` holds every word about deadlines."""

    def __init__(
        self,
        *items: bytes | BaseException,
        stream: Stream = TERMINAL,
        length: int | None = None,
        method: str = "GET",
        committed: bool = True,
    ) -> None:
        self.exchange: Exchange = an_exchange(a_request(method), a_route(stream=stream))
        self.chunks = ListedChunks(*items)
        self.reply: Reply = a_reply(chunks=self.chunks)
        self.reply.length = length
        self.now = 100.0
        self.expected: list[tuple[Failure | None, float | None]] = []
        watched(self.exchange, self.reply, lambda: self.now, lambda *what: self.expected.append(what))
        if committed:
            self.exchange.committed_at = 100.0

    def read(self) -> tuple[bytes, BaseException | None]:
        """Return what the client got, and how the body ended."""
        got = b""
        try:
            for chunk in self.reply.chunks:
                got += chunk
        except (FailureError, Interruption) as error:
            return got, error
        return got, None


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every body be read as letters."""
    monkeypatch.setattr(watching, "choose", lambda name, head, terminal: Letters())
    yield


def kind_of(error: BaseException | None) -> Kind | None:
    assert error is None or isinstance(error, FailureError | Interruption)
    return error.failure.kind if error is not None else None


ENDINGS = [
    (Marks("sse"), None, "framing", None, False, None),
    (Marks("sse"), "x", "framing", None, False, "x"),
    (Marks("sse", malformed="y"), "x", "framing", None, False, "y"),
    (Marks("sse", error=TOLD), None, "framing", IN_BAND_ERROR, False, None),
    (Marks("sse", error=TOLD, boundary=False), "x", "framing", IN_BAND_ERROR, False, "x"),
    (Marks("sse"), None, "terminal", None, False, None),
    (Marks("sse"), "x", "terminal", ANSWER_UNFINISHED, True, None),
    (Marks("sse", malformed="y"), None, "terminal", ANSWER_MALFORMED, True, None),
    (Marks("sse", error=TOLD), "x", "terminal", IN_BAND_ERROR, False, "x"),
    (Marks("sse", error=TOLD, boundary=False), "x", "terminal", IN_BAND_ERROR, True, "x"),
    (Marks("sse", error=TOLD, malformed="y"), None, "terminal", IN_BAND_ERROR, True, "y"),
    (Marks("sse", unwatched="too much"), "x", "terminal", None, False, "x"),
    (Marks("json", error=TOLD, boundary=False), None, "terminal", IN_BAND_ERROR, False, None),
]


@pytest.mark.parametrize(("marks", "missing", "complete", "kind", "cut", "flaw"), ENDINGS)
def test_end_of_a_body_means_what_the_table_says(
    marks: Marks, missing: str | None, complete: str, kind: Kind | None, cut: bool, flaw: str | None
) -> None:
    """Only a route that asks for the terminal cuts, and never behind an error that was told whole."""
    found = ending(marks, missing, complete)

    assert (found.failure.kind if found.failure else None, found.cut, found.flaw) == (kind, cut, flaw)


def test_failure_says_what_is_missing() -> None:
    """The detail is the format's word, or the upstream's code."""
    assert ending(Marks("sse"), "data: [DONE]", "terminal") == Ending(Failure(ANSWER_UNFINISHED, "data: [DONE]"), True)
    found = ending(Marks("sse", error=TOLD), None, "framing").failure
    assert found is not None and found.detail == "overloaded"


@pytest.mark.parametrize("stream", [FRAMING, TERMINAL])
@pytest.mark.parametrize("length", [None, 5])
def test_whole_answer_passes_as_it_came(stream: Stream, length: int | None) -> None:
    """Every octet, and nothing is wrong."""
    body = Body(b"f.", b"fT", b".", stream=stream, length=length)

    assert body.read() == (b"f.fT.", None)
    assert (body.exchange.failure, body.exchange.flaw, body.exchange.first_frame_at) == (None, None, 100.0)


@pytest.mark.parametrize(("items", "flaw"), [((b"f.",), "the terminal"), ((b"f!.",), "no letter")])
def test_flaw_is_only_noted_where_framing_says_what_is_whole(items: tuple[bytes, ...], flaw: str) -> None:
    """The octets pass, the exchange succeeds, the record knows."""
    body = Body(*items, stream=FRAMING)

    assert body.read() == (b"".join(items), None)
    assert (body.exchange.failure, body.exchange.flaw) == (None, flaw)


def test_answer_without_its_terminal_is_cut() -> None:
    """What came is passed on, and the polite end is not."""
    got, error = Body(b"f.", b"f.").read()

    assert (got, kind_of(error)) == (b"f.f.", ANSWER_UNFINISHED)


def test_malformed_chunk_is_not_passed_on() -> None:
    """Nor what stands before the break in it; an error frame may follow what went out."""
    body = Body(b"f.", b"f.f!", b"f.")
    got, error = body.read()

    assert (got, kind_of(error)) == (b"f.", ANSWER_MALFORMED)
    assert body.exchange.wire is not None and body.exchange.wire.boundary()
    assert not body.exchange.marks.boundary  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("items", "committed", "got"),
    [
        ((b"f.", b"f."), True, b"f.f"),
        ((b"f.f", b"."), True, b"f.f"),
        ((b"f.f.",), True, b"f.f"),
        ((b"f.f.",), False, b""),
        ((), False, b""),
    ],
)
def test_last_octet_of_a_length_waits_for_the_verdict(items: tuple[bytes, ...], committed: bool, got: bytes) -> None:
    """A client that counts sees a short body; where no head went out nothing goes out."""
    body = Body(*items, length=len(b"".join(items)), committed=committed)
    read, error = body.read()

    assert (read, kind_of(error)) == (got, ANSWER_UNFINISHED)
    assert body.exchange.wire is not None
    if items:
        assert not body.exchange.wire.boundary()


@pytest.mark.parametrize("stream", [FRAMING, TERMINAL])
@pytest.mark.parametrize("length", [None, 4])
def test_error_that_was_told_fails_the_exchange_and_not_the_body(stream: Stream, length: int | None) -> None:
    """The client was told by the upstream; the record tells whose fault it was."""
    body = Body(b"f.", b"E.", stream=stream, length=length)

    assert body.read() == (b"f.E.", None)
    assert body.exchange.failure == Failure(IN_BAND_ERROR, "overloaded")


def test_error_is_the_reason_also_where_the_client_leaves_for_it() -> None:
    """It is written down when it is seen, not at the end."""
    body = Body(b"E.", b"f.")
    next(iter(body.reply.chunks))

    body.exchange.fail(Failure(CLIENT_GONE))

    assert body.exchange.failure == Failure(IN_BAND_ERROR, "overloaded")


@pytest.mark.parametrize("stream", [FRAMING, TERMINAL])
def test_error_before_the_commit_is_no_failure_yet(stream: Stream) -> None:
    """Another attempt may follow it."""
    body = Body(b"E.", stream=stream, committed=False, length=2)
    next(iter(body.reply.chunks))

    assert body.exchange.failure is None


def test_half_an_error_is_cut() -> None:
    """Nobody was told."""
    body = Body(b"f.", b"Ef")

    assert kind_of(body.read()[1]) is IN_BAND_ERROR


WHOLE = (b"f.", b"T.")


@pytest.mark.parametrize(
    "broken",
    [
        a_failure(BODY_CUT),
        a_failure(BODY_INVALID),
        Interruption(Failure(IDLE_TIMEOUT)),
        Interruption(Failure(TOTAL_TIMEOUT)),
        Interruption(Failure(DRAINED)),
    ],
    ids=str,
)
def test_what_breaks_behind_the_terminal_breaks_nothing(broken: BaseException) -> None:
    """The answer was whole: a polite end, no failure, and a word in the record."""
    body = Body(*WHOLE, broken)

    assert body.read() == (b"f.T.", None)
    assert body.exchange.failure is None
    assert body.exchange.flaw is not None and body.exchange.flaw.startswith("its body was not ended: ")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (Body, BODY_CUT),
        (lambda *items: Body(*items, stream=FRAMING), BODY_CUT),
        (lambda *items: Body(*items, length=40), BODY_CUT),
    ],
    ids=["no terminal", "by framing", "with a length"],
)
def test_break_is_a_break_elsewhere(body: type[Body], kind: Kind) -> None:
    """Without the terminal, without the setting, and where octets are promised."""
    items = (b"f.",) if body is Body else WHOLE

    assert kind_of(body(*items, a_failure(kind)).read()[1]) is kind


@pytest.mark.parametrize("kind", [CLIENT_GONE, INTERNAL])
def test_whole_answer_does_not_hide_who_left_or_a_defect(kind: Kind) -> None:
    """Those are not the upstream's way to end a body."""
    assert kind_of(Body(*WHOLE, Interruption(Failure(kind))).read()[1]) is kind


def test_upstream_is_not_hurried_while_something_of_the_answer_is_still_missing() -> None:
    """A terminal can be followed by more that must come whole: another choice, or the end of a content coding."""
    body = Body(b"f.T", b".", b"f", b".", b".")
    chunks = iter(body.reply.chunks)
    next(chunks), next(chunks), next(chunks)
    assert [at for _, at in body.expected] == [None, 102.0, None]
    body.now = 200.0
    next(chunks)
    assert len(body.expected) == 3
    next(chunks)
    assert body.expected[3][1] == 202.0


def test_upstream_has_a_while_to_end_a_whole_answer() -> None:
    """The deadline begins once the client took the terminal, does not move, and is lifted for each write."""
    body = Body(b"f.", b"T.", b".", b".")
    chunks = iter(body.reply.chunks)
    next(chunks), next(chunks)
    assert body.expected == [(None, None)]  # the first frame
    body.now = 107.0
    next(chunks)
    (left_open, at), lifted = body.expected[1:]
    assert left_open is not None and at == 109.0 and lifted == (None, None)
    body.now = 108.0
    next(chunks)
    assert body.expected[3:] == [(left_open, 109.0), (None, None)]
    assert list(chunks) == []
    assert body.expected[5:] == [(left_open, 109.0), (None, None)]


def test_body_that_is_left_open_ends_politely() -> None:
    """What the deadline throws is not a failure, and its connection is let go."""
    body = Body(*WHOLE, Interruption(watching._LEFT_OPEN))

    assert body.read() == (b"f.T.", None)
    assert body.exchange.failure is None
    assert body.exchange.flaw == "its body was not ended: left_open"


@pytest.mark.parametrize(
    ("stream", "length"),
    [
        (FRAMING, None),
        (TERMINAL, 4),
        (Stream(format="openai", complete="terminal", after_terminal=None), None),
    ],
)
def test_upstream_is_not_hurried_elsewhere(stream: Stream, length: int | None) -> None:
    """By framing, with a length, and where it is off: no deadline is ever set."""
    body = Body(*WHOLE, stream=stream, length=length)

    assert body.read()[0] == b"f.T."
    assert {at for _, at in body.expected} == {None}


@pytest.mark.parametrize("stream", [FRAMING, TERMINAL])
def test_deadline_of_the_first_frame_is_lifted_by_it_and_by_nothing_before(stream: Stream) -> None:
    """Preambles and pings do not end the wait; the frame does, before it is passed on."""
    body = Body(b".", b"f.", b"f.", stream=stream)
    chunks = iter(body.reply.chunks)
    body.now = 101.0
    next(chunks)
    assert (body.expected, body.exchange.first_frame_at) == ([], None)
    body.now = 102.0
    next(chunks)
    next(chunks)
    assert (body.expected, body.exchange.first_frame_at) == ([(None, None)], 102.0)


@pytest.mark.parametrize(("method", "stream"), [("HEAD", TERMINAL), ("GET", Stream())])
def test_body_that_nobody_watches_is_left_alone(method: str, stream: Stream) -> None:
    """The very chunks, no marks; a first frame that nobody would see is not waited for."""
    body = Body(b"f.", stream=stream, method=method)

    assert body.reply.chunks is body.chunks
    assert (body.exchange.marks, body.exchange.wire, body.expected) == (None, None, [(None, None)])


def test_body_that_cannot_be_watched_is_relayed_by_its_framing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the record says why."""
    monkeypatch.setattr(watching, "choose", lambda name, head, terminal: "coded as br")
    body = Body(b"f.")

    assert body.read() == (b"f.", None)
    assert (body.exchange.unwatched, body.expected) == ("coded as br", [(None, None)])


def test_watch_gives_back_what_it_watches() -> None:
    """Its duties as chunks are those of what it wraps."""
    body = Body(b"f.")

    assert body.reply.chunks.ready() is False
    body.reply.chunks.close()
    assert body.chunks.closed == 1


def test_early_head_alone_commits_to_no_answer() -> None:
    """What is read while the head of the answer is still held may be followed by another attempt."""
    body = Body(b"E.", b".")
    body.exchange.early, body.exchange.reply = True, a_reply(source=Source.LOCAL)

    assert body.read()[0] == b"E.."
    assert body.exchange.failure is None

    body = Body(b"E.", b".")
    body.exchange.early, body.exchange.reply = True, a_reply()
    body.read()
    assert body.exchange.failure is not None


def test_body_that_is_let_go_unread_lifts_its_deadline() -> None:
    """What goes out instead of it has none for a first frame."""
    body = Body(b"f.")
    body.expected.clear()
    body.reply.chunks.close()

    assert (body.expected, body.chunks.closed) == ([(None, None)], 1)
