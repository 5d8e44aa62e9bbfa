"""The one log line of each exchange."""

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.exchanges import a_reply, a_request, a_route, an_attempt, an_exchange
from support.records import line

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_CUT, CONNECT_REFUSED, HEAD_MISSING, NO_ROUTE, SUPERSEDED, Failure
from gateway.exchange.marks import Marks, Usage
from gateway.exchange.message import RequestHead, Source
from gateway.exchange.outcome import Outcome
from gateway.exchange.target import parse_endpoint
from gateway.observe.line import LineHandler, LineLog, as_json, as_text, level_of
from gateway.observe.masking import without_secrets
from gateway.observe.record import record_of

NOW = "2025-01-01T00:00:00.000Z"


def ended(request: RequestHead | None = None) -> Exchange:
    """Return an exchange that was relayed whole."""
    exchange = an_exchange(request or a_request(target="/demo/text?key=s3cret"), a_route())
    exchange.attempts.append(an_attempt(endpoint=parse_endpoint("http://127.0.0.1:9000")))
    exchange.reply = a_reply(200)
    exchange.head_at, exchange.committed_at, exchange.first_byte_at, exchange.finished_at = (
        100.1,
        100.1,
        100.101,
        101.2044,
    )
    exchange.longest_gap_seconds, exchange.chunks = 0.1004, 11
    exchange.relayed_bytes, exchange.received_bytes = 550, 3
    exchange.outcome = Outcome.COMPLETE
    return exchange


def write(log: LineLog, exchange: Exchange) -> None:
    log.write(record_of(exchange, 1735689600.25), level_of(exchange))


def test_ended_exchange_is_told_completely() -> None:
    """Every member is there, times in milliseconds since the start."""
    assert line(ended(), NOW) == {
        "time": NOW,
        "id": "0f1e",
        "route": "demo",
        "upstream": "demo",
        "endpoint": "http://127.0.0.1:9000",
        "method": "GET",
        "target": "/demo/text?key=***",
        "status": 200,
        "outcome": "complete",
        "failure": None,
        "side": None,
        "detail": None,
        "queued_ms": None,
        "priority": None,
        "head_ms": 100.0,
        "first_byte_ms": 101.0,
        "longest_gap_ms": 100.4,
        "total_ms": 1204.4,
        "bytes_down": 550,
        "bytes_up": 3,
        "chunks": 11,
        "attempts": 1,
        "retried": None,
        "not_retried": None,
        "principal": None,
        "auth": None,
        "peer": "192.0.2.7",
    }


def test_failure_is_told_with_its_side_and_detail() -> None:
    """The line alone says whose fault it was."""
    exchange = ended()
    exchange.fail(Failure(BODY_CUT, "5 of 9 octets"))

    record = line(exchange, NOW)

    assert (record["failure"], record["side"], record["detail"]) == ("body_cut", "upstream", "5 of 9 octets")


def test_exchange_that_found_no_route_is_told_too() -> None:
    """What never was is None, and nothing breaks."""
    exchange = an_exchange(a_request(peer=""))
    exchange.fail(Failure(NO_ROUTE))

    record = line(exchange, NOW)

    assert [record[name] for name in ("route", "upstream", "endpoint", "status", "outcome", "detail", "total_ms")] == [
        None
    ] * 7
    assert as_text(record) == "- - GET /demo/text - ttfb - 0 chunks 0B id=0f1e no_route (gateway)"


@pytest.mark.parametrize(
    ("theirs", "source", "told"),
    [
        ("up-1", Source.UPSTREAM, "up-1"),
        ("u" * 300, Source.UPSTREAM, "u" * 128),
        ("0f1e", Source.UPSTREAM, None),
        (None, Source.UPSTREAM, None),
        ("up-1", Source.LOCAL, None),
    ],
)
def test_id_of_the_upstream_is_told_if_it_is_another(theirs: str | None, source: Source, told: str | None) -> None:
    """It is what the upstream's support asks for."""
    exchange = ended()
    exchange.reply = a_reply(200, [("x-request-ID", theirs)] if theirs else [], source)

    assert line(exchange, NOW).get("upstream_request_id") == told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?key=s3cret&x=1", "/a?key=***&x=***"),
        ("/a?key=a=b", "/a?key=***"),
        ("/a?key=", "/a?key=***"),
        ("/a?a=1;b=2", "/a?a=***"),
        ("/a?&&x=1", "/a?&&x=***"),
        ("/a?stream", "/a?stream"),
        ("/a?sk-4f5e6d", "/a?***"),
        ("/a?" + "n" * 65 + "=1", "/a?***=***"),
        ("/a?b?key=s3cret", "/a?b?key=***"),
    ],
)
def test_values_of_the_query_are_masked(target: str, told: str) -> None:
    """Names of parameters help; their values may be keys."""
    assert without_secrets(target) == told


@pytest.mark.parametrize("target", ["/" + "a" * 9000, "/a?" + "b=1&" * 9000, "/a?b=" + "c" * 9000])
def test_long_target_is_cut(target: str) -> None:
    """A line has a bound, whatever is asked for."""
    assert len(without_secrets(target)) <= 2048


@settings(deadline=None)
@given(st.text(max_size=60), st.text(alphabet=st.characters(categories=["L", "N"]), min_size=5, max_size=60))
def test_value_of_a_parameter_never_shows(name: str, value: str) -> None:
    """Whatever surrounds it, what stands after the equals sign is masked."""
    value = f"<{value}>"

    assert value not in without_secrets(f"/a?{name.replace(value, '')}={value}")


@settings(deadline=None)
@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=100))
def test_nobody_can_begin_a_line_of_his_own(method: str, target: str, detail: str) -> None:
    """Each rendering is one line of printable ASCII, and the JSON reads back as the record."""
    exchange = ended(a_request(method, target))
    exchange.fail(Failure(BODY_CUT, detail))
    record = line(exchange, NOW)

    for rendered in (as_json(record), as_text(record)):
        assert all(" " <= char <= "~" for char in rendered)
    assert json.loads(as_json(record)) == record


def test_record_is_json_without_spaces() -> None:
    """One exchange, one compact line, control characters escaped."""
    assert as_json({"a": "x\n\x7f\u2028é", "b": None}) == '{"a":"x\\n\\u007f\\u2028\\u00e9","b":null}'


def test_record_is_text_to_read() -> None:
    """What, how and where, in this order."""
    assert as_text(line(ended(), NOW)) == (
        "200 complete GET /demo/text?key=*** 1.204s ttfb 0.101s 11 chunks 550B -> demo@127.0.0.1:9000 id=0f1e"
    )


@pytest.mark.parametrize("hedged", ["won", "lost", "budget"])
def test_hedge_is_told_with_how_it_ended(hedged: str) -> None:
    """Which attempt counts cannot be seen from the ends of the others."""
    exchange = ended()
    exchange.attempts.insert(0, an_attempt())
    exchange.attempts[0].failure = Failure(SUPERSEDED)
    exchange.hedged = hedged

    record = line(exchange, NOW)

    assert (record["attempts"], record["retried"], record["hedged"]) == (2, "superseded", hedged)
    assert f" 2 attempts (after superseded) hedge {hedged} id=" in as_text(record)


def test_text_tells_attempts_ids_and_failures_where_there_are_any() -> None:
    """Spaces and line breaks of others cannot move the columns."""
    exchange = ended(a_request("G\tT", "/a b\u20ac"))
    exchange.attempts[0].status = 503
    exchange.attempts.append(an_attempt(endpoint=parse_endpoint("https://a.example")))
    exchange.attempts[1].failure = Failure(HEAD_MISSING)
    exchange.attempts.append(an_attempt(endpoint=parse_endpoint("https://b.example")))
    exchange.reply = a_reply(502, [("X-Request-Id", "up 1")])
    exchange.outcome = Outcome.FAILED
    exchange.fail(Failure(CONNECT_REFUSED, "no\nway \xe9"))

    assert as_text(line(exchange, NOW)) == (
        "502 failed G\\x09T /a\\x20b\\u20ac 1.204s ttfb 0.101s 11 chunks 550B -> demo@https://b.example"
        " 3 attempts (after 503,head_missing)"
        " id=0f1e upstream_id=up\\x201 connect_refused (upstream): no\\x0away \\xe9"
    )


def test_answer_that_was_converted_says_what_into() -> None:
    """In both forms; all others say nothing of it."""
    exchange = ended()
    assert "converted" not in line(exchange, NOW)
    exchange.converted = "application/x-ndjson"
    told = line(exchange, NOW)
    assert told["converted"] == "application/x-ndjson"
    assert " as application/x-ndjson " in as_text(told)


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome.COMPLETE, logging.INFO),
        (Outcome.LOCAL, logging.INFO),
        (Outcome.REJECTED, logging.INFO),
        (Outcome.CLIENT_GONE, logging.INFO),
        (Outcome.CLIENT_STALLED, logging.INFO),
        (Outcome.DRAINED, logging.INFO),
        (Outcome.CANCELLED, logging.INFO),
        (Outcome.FAILED, logging.ERROR),
        (Outcome.TRUNCATED, logging.ERROR),
        (Outcome.TIMED_OUT, logging.ERROR),
        (Outcome.BROKEN, logging.ERROR),
    ],
)
def test_level_says_whether_somebody_has_to_act(outcome: Outcome, level: int) -> None:
    """An error is the upstream's fault or ours; what a client does is information."""
    exchange = ended()
    exchange.outcome = outcome

    assert level_of(exchange) == level


@pytest.mark.parametrize(
    ("format_", "begins"), [("json", '{"time":"2025-01-01T00:00:00.250Z","id":"0f1e",'), ("text", "200 ")]
)
def test_line_is_written_once_in_the_chosen_format(format_: str, begins: str, caplog: pytest.LogCaptureFixture) -> None:
    """One record of the right level reaches the logger, percent signs and all."""
    log = LineLog(format_, logging.getLogger("tests.line"))  # type: ignore[arg-type]

    with caplog.at_level(logging.INFO, "tests.line"):
        write(log, ended(a_request(target="/%s%d")))

    (written,) = caplog.records
    assert written.levelno == logging.INFO
    assert written.getMessage().startswith(begins)


class CountingLogger(logging.Logger):
    """A logger that counts the records it makes; nobody else hears of them."""

    records = 0

    def makeRecord(self, *given: Any, **more: Any) -> logging.LogRecord:
        self.records += 1
        return super().makeRecord(*given, **more)


class OneHandler:
    """A logger with a line handler of its own, and what that wrote."""

    def __init__(self) -> None:
        self.written = io.StringIO()
        self.handler = LineHandler(self.written)
        self.logger = CountingLogger("tests.one")
        self.logger.propagate = False
        self.logger.addHandler(self.handler)

    def finish(self) -> None:
        write(LineLog("text", self.logger), ended(a_request(target="/%s%d")))


def test_line_is_the_same_with_and_without_a_record_of_logging() -> None:
    """Where nobody else listens the line is written directly: the same text, and no record is made."""
    direct, by_record = OneHandler(), OneHandler()
    by_record.handler.setLevel(logging.INFO)  # Whatever a handler wishes for, a record is what it can decide by.

    direct.finish()
    by_record.finish()

    assert direct.written.getvalue() == by_record.written.getvalue()
    assert direct.written.getvalue().startswith("200 ")
    assert direct.written.getvalue().endswith("\n")
    assert (direct.logger.records, by_record.logger.records) == (0, 1)


def test_whoever_listens_besides_gets_a_record(caplog: pytest.LogCaptureFixture) -> None:
    """A second handler, a filter or a parent that is told: all of them see what they always saw."""
    one = OneHandler()
    one.logger.addHandler(caplog.handler)

    one.finish()

    assert [record.levelno for record in caplog.records] == [logging.INFO]
    assert one.written.getvalue().count("\n") == 1


def test_filter_still_decides_about_the_line() -> None:
    """It could hold back what must not be told."""
    one = OneHandler()
    one.logger.addFilter(lambda record: False)

    one.finish()

    assert one.written.getvalue() == ""


def test_stream_that_takes_nothing_does_not_reach_the_exchange() -> None:
    """A closed pipe is no reason for an exchange to fail, nor for its neighbours'."""
    one = OneHandler()
    one.written.close()

    one.finish()


def test_line_below_the_loggers_level_is_not_wanted(caplog: pytest.LogCaptureFixture) -> None:
    """Who wants errors only pays for errors only."""
    log, failed = LineLog("json", logging.getLogger("tests.line")), ended()
    failed.outcome = Outcome.FAILED

    with caplog.at_level(logging.ERROR, "tests.line"):
        assert (log.wants(ended()), log.wants(failed)) == (False, True)
    with caplog.at_level(logging.INFO, "tests.line"):
        assert log.wants(ended())


def test_exchange_that_waited_tells_how_long_and_in_which_class() -> None:
    """Both or neither."""
    exchange = ended()
    exchange.queued_seconds = 0.01234

    record = line(exchange, NOW)

    assert (record["queued_ms"], record["priority"]) == (12.3, "normal")


def test_answer_that_was_read_without_its_client_is_told_apart() -> None:
    """Two keys that are there only where it happened."""
    exchange = ended()
    assert "drained" not in line(exchange, NOW)
    exchange.drained, exchange.drained_bytes = "complete", 77
    assert (line(exchange, NOW)["drained"], line(exchange, NOW)["drained_bytes"]) == ("complete", 77)


STREAM_KEYS = [
    *("format", "frames", "first_frame_ms", "stalls", "flaw"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "unwatched", "pings"),
]


def test_exchange_without_a_watched_stream_has_no_word_about_one() -> None:
    """Its line is as long as it ever was."""
    assert not line(ended(), NOW).keys() & STREAM_KEYS


def test_watched_stream_is_told() -> None:
    """What was seen until its end, whoever ended it: the usage of a client that left, too."""
    exchange = ended()
    exchange.outcome = Outcome.CLIENT_GONE
    exchange.marks = Marks("openai", frames=7, usage=Usage(11, None, 13))
    exchange.first_frame_at, exchange.stalls = 100.5, 2

    record = line(exchange, NOW)

    assert {key: record[key] for key in record if key in STREAM_KEYS} == {
        "format": "openai",
        "frames": 7,
        "first_frame_ms": 500.0,
        "stalls": 2,
        "prompt_tokens": 11,
        "completion_tokens": None,
        "total_tokens": 13,
    }
    assert " 7 openai frames " in as_text(record)


def test_what_was_wrong_with_a_stream_is_told_where_something_was() -> None:
    """In words of a bounded length."""
    exchange = ended()
    exchange.unwatched, exchange.pings = "Content-Encoding is br", 3
    assert {"unwatched": "Content-Encoding is br", "pings": 3}.items() <= line(exchange, NOW).items()
    assert "format" not in line(exchange, NOW)

    exchange.marks, exchange.flaw = Marks("csv"), "x" * 5000
    assert line(exchange, NOW)["flaw"] == "x" * 1024
