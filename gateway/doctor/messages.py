"""Judgements about messages: versions on the way, lost and doubled fields, uploads, sizes of heads."""

import re

from gateway.doctor.facts import Answer, Chain, Report, Sized
from gateway.doctor.findings import Finding, bad, good, note, span

_VIA = re.compile(r"^\s*(?:HTTP/)?([0-9.]+)\s+(\S+)", re.I)
_HELD_SHARE = 0.5
_LEAST_FIELD_OCTETS = 8000  # RFC 9112 section 3 says so of request lines; cookies and tokens need as much.
_LEAST_ANSWER_HEAD_OCTETS = 2000
_ONCE = ("content-type", "date", "server", "content-length", "cache-control")
_SPEAK_11 = 'nginx: `proxy_http_version 1.1;` and `proxy_set_header Connection "";`.'


def messages(chain: Chain) -> list[Finding]:
    """Return what is to be said about how messages pass."""
    found = [_versions(chain), _reuse(chain)]
    if chain.paced is not None and chain.paced.answer.status == 200:
        found.append(_answer_fields(chain.paced.answer))
    if chain.here is not None:
        found.append(_request_fields(chain.here))
    if chain.upload_answer is not None:
        found.append(_upload(chain.upload, chain.upload_sent_seconds, chain.upload_answer))
    if chain.request_heads:
        found.append(_request_sizes(chain.request_heads))
    if chain.answer_heads:
        found.append(_answer_sizes(chain.answer_heads))
    return found


def _versions(chain: Chain) -> Finding:
    """The first hop says its version to us, each proxy that adds Via what it received, the last hop what it speaks."""
    old = []
    if chain.hello.version != "HTTP/1.1":
        old.append(f"what answers here speaks {chain.hello.version}")
    vias = [] if chain.here is None else [part for line in chain.here.values("via") for part in line.split(",")]
    old += [
        f"what stands before {match[2]} speaks HTTP/1.0 to it"
        for match in map(_VIA.match, vias)
        if match is not None and match[1] == "1.0"
    ]
    if chain.here is not None and chain.here.version == "HTTP/1.0":
        old.append("what stands before the far end speaks HTTP/1.0 to it")
    if not old:
        return good("http version", "HTTP/1.1 all the way.")
    said = f"HTTP/1.0 on the way: {'; '.join(old)}. Streams have no framing there, and uploads cannot stream."
    return bad("http version", said, _SPEAK_11)


def _reuse(chain: Chain) -> Finding:
    if chain.again is not None and chain.again.status:
        return good("keep-alive", "A connection serves several requests.")
    why = "the connection was closed under it" if chain.again is not None else "the answer ends its connection"
    advice = (
        'Each request pays for a new handshake. nginx: `keepalive_timeout 75s;`; see what sends "Connection: close".'
    )
    return note("keep-alive", f"A connection serves one request only: {why}.", advice)


def _answer_fields(answer: Answer) -> Finding:
    wrong = []
    twice = [value.strip() for line in answer.values("x-slowgate-twice") for value in line.split(",")]
    if twice != ["a", "b"]:
        wrong.append(f"a field that was sent twice arrived as {twice}")
    for name in _ONCE:
        if len(answer.values(name)) > 1:
            wrong.append(f"{name} arrived {len(answer.values(name))} times")
    if answer.value("content-type").partition(";")[0].strip() != "text/event-stream":
        wrong.append(f"Content-Type became {answer.value('content-type')[:60] or 'nothing'}")
    if "no-cache" not in answer.value("cache-control"):
        wrong.append(f"Cache-Control: no-cache became {answer.value('cache-control')[:60] or 'nothing'}")
    if answer.value("content-length"):
        wrong.append("a stream arrived with a Content-Length: something read all of it first")
    if wrong:
        said = f"The head of a stream is changed on the way: {'; '.join(wrong)}."
        return bad(
            "answer fields", said, "See what adds or hides fields: nginx: `add_header`, `proxy_hide_header`, `expires`."
        )
    return good("answer fields", "Fields of answers arrive, each as often as it was sent.")


def _request_fields(report: Report) -> Finding:
    wrong = []
    twice = [value.strip() for line in report.values("x-slowgate-twice") for value in line.split(",")]
    if twice != ["a", "b"]:
        wrong.append(f"a field that was sent twice arrived as {twice}")
    if report.values("last-event-id") != ["slowgate-7"]:
        wrong.append(f"Last-Event-ID arrived as {report.values('last-event-id')}: streams cannot be resumed")
    if len(report.values("host")) != 1:
        wrong.append(f"Host arrived {len(report.values('host'))} times")
    if wrong:
        said = f"The head of a request is changed on the way: {'; '.join(wrong)}."
        return bad(
            "request fields", said, "See what drops fields: `request_headers` of the route, nginx: `proxy_set_header`."
        )
    return good("request fields", "Fields of requests arrive, each as often as it was sent.")


def spread(report: Report) -> float:
    """Return within how many seconds the pieces of an upload arrived."""
    return report.arrivals[-1] - report.arrivals[0] if report.arrivals else 0.0


def streams(report: Report, sent_seconds: float) -> bool:
    """Tell whether the pieces of an upload arrived about as they were sent."""
    return spread(report) >= sent_seconds * _HELD_SHARE


def _upload(report: Report | None, sent_seconds: float, answer: Answer) -> Finding:
    if answer.status != 200 or report is None:
        said = f"A chunked upload fails: {answer.status or answer.why}."
        advice = (
            "411 or 501: something takes no chunked bodies; 405: a route without POST; else see the gateway's log line."
        )
        return bad("upload", said, advice)
    pace = f"sent over {span(sent_seconds)}, arrived within {span(spread(report))}"
    if streams(report, sent_seconds):
        return good("upload", f"Uploads stream: {pace}.")
    length = " and with a Content-Length" if report.framing == "length" else ""
    advice = "nginx: `proxy_request_buffering off;` and `proxy_http_version 1.1;`."
    return bad("upload", f"Something holds uploads back until they are whole: {pace}{length}.", advice)


def _request_sizes(sizes: tuple[Sized, ...]) -> Finding:
    advice = "nginx: `large_client_header_buffers 4 32k;`; the gateway: `max_header_size` of `[server]`."
    return _sizes("request head", "field of a request", sizes, _LEAST_FIELD_OCTETS, advice)


def _answer_sizes(sizes: tuple[Sized, ...]) -> Finding:
    advice = "nginx: `proxy_buffer_size 32k;` and `proxy_buffers 8 32k;`."
    return _sizes("answer head", "head of an answer", sizes, _LEAST_ANSWER_HEAD_OCTETS, advice)


def _sizes(check: str, what: str, sizes: tuple[Sized, ...], least_octets: int, advice: str) -> Finding:
    passed = max((each.octets for each in sizes if each.answer.status == 200), default=0)
    refused = [each for each in sizes if each.answer.status != 200]
    if not refused:
        return good(check, f"A {what} with {passed} octets passes.")
    least = min(refused, key=lambda each: each.octets)
    how = f"status {least.answer.status}" if least.answer.status else least.answer.why
    said = f"A {what} with {least.octets} octets does not pass ({how})"
    said += f", one with {passed} does." if passed else "."
    return (note if passed >= least_octets else bad)(check, said, advice)
