"""All findings of an examination, in the order in which one asks: does it answer, does it flow, does it end well."""

from gateway.doctor.facts import BROKEN, NOTHING, WHOLE, Answer, Chain, Comparison, Direct
from gateway.doctor.findings import Finding, bad, good, note, span
from gateway.doctor.messages import messages
from gateway.doctor.reaching import clocks, reaching
from gateway.doctor.streaming import streams, who

_SLOWER_SECONDS = 0.5
_SLOWER_TIMES = 3.0
_HELD_SHARE = 0.5
_LEAST_PIECES = 4
_LEAST_SPREAD_SECONDS = 0.5


def of_chain(chain: Chain) -> list[Finding]:
    """Return what the probes of a whole chain showed."""
    found = reaching(chain.reach)
    if chain.reach.failed:
        return found
    if not chain.hello.status:
        return [*found, _no_answer(chain.reach.name, chain.hello)]
    if not chain.arrived:
        return [*found, *_lost(chain.reach.name, chain.hello)]
    return [*found, *messages(chain), *streams(chain), *clocks("what answers here", chain.hello, chain.here)]


def _lost(name: str, answer: Answer) -> list[Finding]:
    said = f"{name}: the probe did not arrive at this far end; what came is {answer.status}{who(answer)}."
    advice = "The URL must lead to a route whose upstream is the address of --listen; -H gives what the route asks for."
    return [bad("far end", said, advice), *clocks(name, answer)]


def of_strangers(seen: Comparison, where: str) -> list[Finding]:
    """Return what is to be said where no far end answers: how the answer arrived, and what is missing for more."""
    found = [*reaching(seen.listener)]
    if seen.through is not None and seen.through.status:
        found += [*_answer(seen.listener.name, seen.through, harmless=True), *clocks(seen.listener.name, seen.through)]
    elif not seen.listener.failed:
        found.append(_no_answer(seen.listener.name, seen.through or Answer()))
    advice = (
        f"Make a route whose upstream is the far end, say 127.0.0.1:9009, and run `gateway doctor {where} --listen"
        " 127.0.0.1:9009` where the gateway reaches that address (docs/doctor.md)."
    )
    said = "No far end answers there: buffering, compression, cuts, pings, cancels and uploads were not examined."
    return [*found, bad("far end", said, advice)]


def of_comparison(seen: Comparison) -> list[Finding]:
    """Return what the same request showed through the gateway and at its endpoints."""
    found = [*reaching(seen.listener)]
    if seen.through is not None:
        found += _answered("through the gateway", seen.through)
    for direct in seen.direct:
        found += of_endpoint(direct)
        if seen.through is not None and seen.through.status and direct.answer is not None and direct.answer.status:
            found += _differences(direct.reach.name, seen.through, direct.answer)
    return found


def of_endpoint(direct: Direct) -> list[Finding]:
    """Return what one endpoint showed; nothing but the way to it where nothing was asked."""
    found = reaching(direct.reach)
    if direct.answer is not None and not direct.reach.failed:
        found += _answered(direct.reach.name, direct.answer)
    return found


def _answered(name: str, answer: Answer) -> list[Finding]:
    if not answer.status:
        return [_no_answer(name, answer)]
    return [*_answer(name, answer), *clocks(name, answer)]


def _no_answer(name: str, answer: Answer) -> Finding:
    said = f"{name}: no answer: {answer.why or 'nothing came'}."
    return bad("answer", said, "See whether it speaks HTTP/1.1 there, and what its log says.")


def _answer(name: str, answer: Answer, *, harmless: bool = False) -> list[Finding]:
    """``harmless`` is a status that says nothing, for nobody meant the request."""
    framing = "chunked" if "chunked" in answer.value("transfer-encoding").lower() else "framed by the connection's end"
    if answer.value("content-length"):
        framing = f"with a length of {answer.value('content-length')[:20]}"
    coding = f", {answer.value('content-encoding')}" if answer.value("content-encoding") else ""
    said = (
        f"{name}: {answer.version} {answer.status}, head after {span(answer.head_seconds)}, {len(answer.body)} octets"
        f" in {len(answer.pieces)} pieces over {span(_spread(answer))}, {framing}{coding}."
    )
    found = [good("answer", said)]
    if answer.status >= 500 and harmless:
        found = [note("answer", said, f"It is an error{who(answer)}.")]
    elif answer.status >= 500:
        found = [bad("answer", said, "An error: see the gateway's log line, and Proxy-Status in the answer.")]
    elif answer.status >= 400 and not harmless:
        found = [note("answer", said, "Say what to ask for: --path, --method, -H and --data.")]
    if answer.ending in (BROKEN, NOTHING):
        found.append(
            bad("ending", f"{name}: the answer was cut: {answer.why}.", "See `outcome` in the gateway's log line.")
        )
    if answer.version != "HTTP/1.1":
        found.append(bad("http version", f"{name}: answers with {answer.version}.", "Let it speak HTTP/1.1."))
    if answer.value("content-type").startswith("text/event-stream") and answer.value("content-length"):
        advice = "Something reads all of it before it sends any of it: switch buffering off there."
        found.append(bad("buffering", f"{name}: an event stream with a Content-Length.", advice))
    return found


def _spread(answer: Answer) -> float:
    return answer.pieces[-1][0] - answer.pieces[0][0] if answer.pieces else 0.0


def _differences(name: str, through: Answer, direct: Answer) -> list[Finding]:
    if through.status != direct.status:
        # Two answers that are not the same thing: their pace says nothing.
        why = f" (Proxy-Status: {through.value('proxy-status')[:200]})" if through.value("proxy-status") else ""
        said = f"Status {through.status} through the gateway{why}, {direct.status} straight from {name}."
        return [bad("difference", said, "`gateway explain` says what the gateway makes of the request.")]
    found = []
    if through.value("content-encoding") != direct.value("content-encoding"):
        told = [each.value("content-encoding") or "not compressed" for each in (through, direct)]
        said = f"Through the gateway: {told[0]}; straight from {name}: {told[1]}."
        found.append(note("difference", said, "`compression` of the route decides that."))
    slow = through.head_seconds - direct.head_seconds > _SLOWER_SECONDS
    if slow and through.head_seconds > direct.head_seconds * _SLOWER_TIMES:
        took = span(through.head_seconds)
        said = f"The head took {took} through the gateway, {span(direct.head_seconds)} straight from {name}."
        advice = "See `queued_ms`, `attempts` and `stream.peek` in the log line and the route."
        found.append(bad("difference", said, advice))
    spread, came = _spread(direct), _spread(through)
    if len(direct.pieces) >= _LEAST_PIECES and spread >= _LEAST_SPREAD_SECONDS and came < spread * _HELD_SHARE:
        said = f"A stream over {span(spread)} from {name} comes within {span(came)} through the gateway."
        found.append(bad("buffering", said, "See `stream.peek` and `convert` of the route."))
    if direct.ending == WHOLE and through.ending == BROKEN:
        advice = "See `outcome` and `failure` in the gateway's log line."
        found.append(bad("difference", f"Whole straight from {name}, cut through the gateway.", advice))
    return found or [good("difference", f"Through the gateway as straight from {name}.")]
