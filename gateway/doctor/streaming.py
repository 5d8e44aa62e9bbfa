"""Judgements about streams: held back, compressed, cut while silent, cut at the end, not let go of."""

import re
from itertools import pairwise

from gateway.doctor.facts import BROKEN, NOTHING, WAITING, WHOLE, Answer, Chain, Paced, Silent
from gateway.doctor.findings import Finding, bad, good, note, span

_EVENT = re.compile(rb"^data: (\d+)\r?$", re.M)
_PING = re.compile(rb"^:", re.M)
_ERROR_FRAME = re.compile(rb"^event: ?error|\"error\"", re.M)
_BUNCHED_SHARE = 0.4
_USUAL_CUT_SECONDS = 60.0
_PROMPT_SECONDS = 2.0
_UNBUFFER = (
    "nginx: `proxy_buffering off;` in the location (HAProxy and Envoy do not buffer by themselves; a CDN has a setting"
    " of its own)."
)


def arrivals(answer: Answer) -> list[float]:
    """Return when each event was whole."""
    times: list[float] = []
    body = b""
    for at_seconds, octets in answer.pieces:
        body += octets
        # Only whole lines: an event whose last octet is missing has not arrived.
        whole = body[: body.rfind(b"\n") + 1]
        times += [at_seconds] * (len(_EVENT.findall(whole)) - len(times))
    return times


def bunched(times: list[float], gap_seconds: float) -> float:
    """Return the share of arrivals that came together with the one before: in less than a quarter of the gap."""
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return sum(gap < gap_seconds / 4 for gap in gaps) / len(gaps) if gaps else 0.0


def flows(paced: Paced) -> bool:
    """Tell whether every event came, and as a rule apart from the one before."""
    times = arrivals(paced.answer)
    return len(times) == paced.count and bunched(times, paced.gap_seconds) < _BUNCHED_SHARE


def _pace(paced: Paced) -> str:
    times = arrivals(paced.answer)
    sent = span(paced.gap_seconds * (paced.count - 1))
    if not times:
        return f"of {paced.count} events sent over {sent} none arrived ({paced.answer.why or paced.answer.status})"
    spread = span(times[-1] - times[0])
    first = span(times[0])
    return f"{len(times)} of {paced.count} events sent over {sent} arrived within {spread}, the first after {first}"


def streams(chain: Chain) -> list[Finding]:
    """Return what is to be said about how streams pass."""
    found: list[Finding] = []
    if chain.paced is not None:
        found += [_buffering(chain.paced, chain.hinted), *_pings(chain.paced)]
        if chain.zipped is not None:
            found.append(_compression(chain.paced, chain.zipped))
    found += _idle(chain.silent)
    if chain.noticed_patience_seconds:
        found.append(_cancel(chain))
    if chain.cut is not None:
        found.append(_cut(chain.cut))
    return found


def _buffering(paced: Paced, hinted: Paced | None) -> Finding:
    if flows(paced):
        return good("buffering", f"Events arrive as they are sent: {_pace(paced)}.")
    if len(arrivals(paced.answer)) < paced.count:
        return bad(
            "buffering",
            f"Events are missing: {_pace(paced)}.",
            "See the findings about cuts and the gateway's log line.",
        )
    said = f"Something holds events back: {_pace(paced)}."
    if hinted is not None and flows(hinted):
        said += " With `X-Accel-Buffering: no` in the answer they flow."
        hint = 'Or let the route say so: `response_headers = { set = { X-Accel-Buffering = "no" } }`.'
        return bad("buffering", said, f"{_UNBUFFER} {hint}")
    return bad("buffering", said, f"{_UNBUFFER} It does so with `X-Accel-Buffering: no` in the answer, too.")


def _pings(paced: Paced) -> list[Finding]:
    if not paced.pings:
        return []
    came = len(_PING.findall(paced.answer.body))
    if came < paced.pings and paced.answer.ending == WHOLE:
        said = f"Pings do not survive: {came} of {paced.pings} comment lines arrived."
        return [bad("pings", said, "Something on the way takes the stream apart: let it pass event streams untouched.")]
    if came >= paced.pings:
        return [good("pings", f"Pings survive: {paced.pings} comment lines arrived.")]
    return []


def _compression(plain: Paced, zipped: Paced) -> Finding:
    if coding := plain.answer.value("content-encoding"):
        said = f"The stream comes compressed ({coding}) to a client that did not ask for it."
        return bad(
            "compression", said, "See what ignores Accept-Encoding on the way: nginx: `gzip off;` in the location."
        )
    coding = zipped.answer.value("content-encoding")
    if not coding:
        return good("compression", "Nothing compresses event streams on the way.")
    if flows(zipped):
        return note(
            "compression",
            f"Event streams are compressed ({coding}) on the way, and flow all the same: {_pace(zipped)}.",
            "Nothing to do, unless a client cannot take it; then nginx: take text/event-stream out of `gzip_types`.",
        )
    if not flows(plain):
        return note(
            "compression",
            f"Event streams are compressed ({coding}) on the way. They do not flow without it either.",
            "Mend that first; whether compression holds events back, too, can be told then.",
        )
    return bad(
        "compression",
        f"Event streams are compressed ({coding}) on the way, and that holds events back: {_pace(zipped)}.",
        "nginx: `gzip off;` in the location, or take text/event-stream out of `gzip_types`. The gateway's own"
        " `compression` sends each event on at once.",
    )


def _idle(silent: tuple[Silent, ...]) -> list[Finding]:
    pinged = next((each for each in silent if each.ping_seconds is not None), None)
    return [_silence(each, pinged) for each in silent]


def _silence(each: Silent, pinged: Silent | None) -> Finding:
    answer, length = each.answer, span(each.seconds)
    what = f"a stream that is silent for {length}"
    if each.ping_seconds is not None:
        what = f"a stream with nothing but a ping every {span(each.ping_seconds)} for {length}"
    if each.late_head:
        what = f"an answer that begins only after {length}"
    check = "late head" if each.late_head else "idle" if each.ping_seconds is None else "idle with pings"
    if b"data: after" in answer.body:
        return _survived(check, what, each)
    how = _ended(answer)
    advice = "Find what waits shorter: nginx: `proxy_read_timeout 1h;`, a load balancer's idle timeout, the gateway's"
    advice += " `timeouts.first_byte`." if each.late_head else " `timeouts.idle`."
    if each.late_head:
        advice += " Or `stream = { keepalive = ..., grace = ... }` of the route: it sends the head early."
    elif each.ping_seconds is None and pinged is not None and b"data: after" in pinged.answer.body:
        every = span(pinged.ping_seconds or 0)
        advice += f" Or `stream = {{ keepalive = ... }}` of the route: with a ping every {every} the same stream lives."
    elif each.ping_seconds is not None:
        advice += " Pings do not keep it open: they come too rarely, or something holds them back."
    return bad(check, f"Something ends {what}: {how}.", advice)


def _survived(check: str, what: str, each: Silent) -> Finding:
    own = len(_PING.findall(each.answer.body)) if each.ping_seconds is None else 0
    said = f"{what[0].upper()}{what[1:]} passes."
    if own:
        said += f" The gateway sent {own} pings meanwhile."
    if each.seconds <= _USUAL_CUT_SECONDS and check == "idle" and not own:
        return note(
            check, said, "Cuts at 60 s, which are the usual ones, are not covered: run again with `--idle 65s`."
        )
    return good(check, said)


def _ended(answer: Answer) -> str:
    if answer.ending == NOTHING:
        return f"after {span(answer.ended_seconds)}, {answer.why}"
    if answer.status >= 400:
        return f"after {span(answer.head_seconds)}, with status {answer.status}{who(answer)}"
    if answer.ending == WAITING:
        return f"the rest did not come, although the connection stayed open ({answer.why})"
    manner = "broken off" if answer.ending == BROKEN else "ended as if it were whole"
    return f"after {span(answer.ended_seconds)} it was {manner}"


def who(answer: Answer) -> str:
    """Return who made an answer of an error's status, as far as it says."""
    if told := answer.value("proxy-status"):
        return f" by the gateway ({told[:120]})"
    return f" by {answer.value('server')[:40]}" if answer.value("server") else ""


def _cancel(chain: Chain) -> Finding:
    noticed = chain.noticed_seconds
    if noticed is None:
        said = f"A client that leaves is not noticed at the far end within {span(chain.noticed_patience_seconds)}."
        advice = (
            "Upstreams go on working for nobody. nginx: `proxy_ignore_client_abort off;` and no buffering; the route:"
        )
        return bad("cancel", said, f'{advice} `stream = {{ on_disconnect = "cancel" }}`.')
    if noticed > _PROMPT_SECONDS:
        said = f"A client that leaves is noticed at the far end only after {span(noticed)}."
        return bad("cancel", said, "See what waits on the way: it should hang up at once.")
    return good("cancel", f"A client that leaves a silent stream is noticed at the far end within {span(noticed)}.")


def _cut(answer: Answer) -> Finding:
    if answer.ending == BROKEN:
        return good("cut", "A stream that breaks off at the far end looks broken off here.")
    if answer.ending == NOTHING or answer.status >= 400:
        return good("cut", f"A stream that breaks off at the far end is an error here ({answer.why or answer.status}).")
    if answer.ending == WHOLE and _ERROR_FRAME.search(answer.body):
        return good("cut", "A stream that breaks off at the far end ends with an error frame here.")
    if answer.ending == WAITING:
        said = "A stream that breaks off at the far end stays open here."
        return bad(
            "cut", said, "Something on the way keeps clients waiting for what never comes: look at its timeouts."
        )
    said = "A stream that breaks off at the far end ends here as if it were whole."
    advice = (
        "Something on the way buffers, or speaks HTTP/1.0: nginx: `proxy_http_version 1.1;` and `proxy_buffering off;`."
    )
    return bad("cut", said, advice)
