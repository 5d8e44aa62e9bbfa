"""Writes the pages that are made from the code, so that they cannot say anything else.

Those are docs/failures.md, docs/configuration.md, docs/metrics.md, and the commented-out part of gateway.toml; and
the figures in docs/performance.md and their chart, which are made from recorded runs of the benchmark suite.
Run it from the project's folder: ``python -m docs.generate`` writes, ``python -m docs.generate --check`` only tells,
with status 1, whether something is out of date. What cannot be read from the code about failures, what to do about
each, stands below; a kind without such a sentence is an error.
"""

import sys
from pathlib import Path

from docs import benchmark_page, configuration_page, example_file, metrics_page
from gateway.exchange.failure import KINDS, Failure, Kind, Side
from gateway.exchange.outcome import judge

PAGE = Path(__file__).parent / "failures.md"

INTRODUCTION = """\
# Failures

Everything that can go wrong with an exchange has a code.
The same code stands in the error reply (`code`), in its `type` (`urn:slowgate:failure:<code>`) and in the exchange's
[log line](log-line.md) (`failure`).

- **Before the head went out** the client gets the status below, a problem document
  ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) or one line of text if `Accept` prefers `text/plain`,
  and a `Proxy-Status` field ([RFC 9209](https://www.rfc-editor.org/rfc/rfc9209)) with the error type below.
  The field's `slowgate` member is how to tell such a reply from one that the upstream made.
- **After the head went out** the status can no longer be changed: the message is cut so that it
  [looks cut](life-of-a-request.md#how-a-cut-looks), and only the log line says why.

*Outcome* is the exchange's outcome in the log; where two are named, the second is that of a stream that had begun.
*Unsent* means that the request cannot have reached the upstream, so that trying again is always safe.

This page is made from `gateway/exchange/failure.py` by `docs/generate.py`; do not edit it.
"""

SECTIONS = (
    (Side.DOWNSTREAM, "The client's side", "The request was not good, or its sender went away."),
    (Side.GATEWAY, "The gateway itself", "Nobody else is to blame: routes, limits, shutdown, or a defect of ours."),
    (Side.UPSTREAM, "The upstream's side", "The service behind the gateway did not do its part."),
)

AFTER_THE_HEAD = frozenset(
    {
        *("upload_cut", "upload_timeout", "body_too_large", "client_gone", "client_stalled"),
        *("upload_rate_timeout", "rate_timeout"),
        *("total_timeout", "drained", "cancelled", "internal", "idle_timeout", "body_cut", "body_invalid"),
        *("answer_unfinished", "answer_malformed", "in_band_error", "first_frame_timeout"),
    }
)
"""Codes that can end an exchange whose reply has begun."""

ADVICE = {
    "bad_request": "The request's head or its chunked body breaks HTTP's syntax; the detail says where. Mend the"
    " client.",
    "target_refused": "Dot segments in the path lead, or could be read as leading, out of the route that the request"
    " matched.",
    "upload_cut": "The client ended or broke its connection before its body was complete. The upstream never sees such"
    " a body as complete.",
    "upload_timeout": "The client sent nothing of its body for `timeouts.upload`.",
    "upload_rate_timeout": "The client sent less of its body than `timeouts.min_rate` asks for.",
    "media_type_refused": "The body's `Content-Type` is none of `limits.content_types`, or there is none; `Accept`"
    " names those that are taken.",
    "address_denied": "The client's address is in `addresses.deny`, not in `addresses.allow`, or not known where one of"
    " them is set. A connection that `[server.addresses]` denies is closed without an answer.",
    "address_crowded": "The address has `[server] max_connections_per_address` connections open already; the new one"
    " was closed without an answer.",
    "proxy_header_invalid": "With `[server] proxy_protocol` the connection did not begin with a PROXY header, or its"
    " peer is none of `forwarding.trusted_peers`; it was closed without an answer.",
    "head_timeout": "The client did not finish the head of its request within `[server] head_timeout`.",
    "body_too_large": "The body is larger than `limits.max_request_body`; chunked bodies are counted as they come. Or"
    " it must be signed for the upstream, and is larger than `max_body` of its `credentials`.",
    "target_too_long": "The request line is longer than `[server] max_request_line`.",
    "expectation_failed": "`Expect` asks for something other than `100-continue`.",
    "fields_too_large": "Too many field lines, or one too long, or too much together: `[server] max_header_fields`,"
    " `max_header_size`, `max_headers_size`.",
    "unauthenticated": "The route asks who calls ([`auth`](callers.md)), and what was shown is missing, wrong or"
    " expired; the detail says which, `WWW-Authenticate` what can be shown.",
    "forbidden": "The caller is known, but the route is not among those it may use, a scope is missing"
    " (`auth.scopes`), or the external check said no.",
    "auth_unavailable": "Who calls could not be found out: the issuer's keys could not be fetched, or the external"
    " check did not answer as it should. Nobody is let in for that. The error log says why fetching failed.",
    "method_not_allowed": "The path has a route, but for other methods; `Allow` names them.",
    "coding_unsupported": "The request's `Transfer-Encoding` is something other than `chunked`.",
    "method_unsupported": "CONNECT is not served at all, TRACE only where a route names it.",
    "version_unsupported": "Only HTTP/1.0 and HTTP/1.1 are served.",
    "rate_limited": "Its caller sent more requests than `limits.rates` allows; the detail names the rule, `Retry-After`"
    " says when the next one passes. A request that is refused takes nothing.",
    "too_many_streams": "Its caller has `limits.max_streams_per_principal` exchanges of the route under way already.",
    "budget_exhausted": "Its caller has used up one of `limits.budgets`; `Retry-After` says when the window ends.",
    "client_gone": "The client closed its connection, in whatever phase; its upstream connection was closed too. No"
    " reply is sent, for nobody would read it.",
    "client_stalled": "The client took nothing of what was ready for it for `timeouts.write`; it was reset.",
    "credentials_missing": "The route gives each caller its own upstream credentials, and has none for this one: see"
    " `credentials.by_principal`.",
    "no_route": "No route matches path and host. `gateway routes METHOD PATH` tells why.",
    "draining": "The gateway is shutting down and takes no new requests. Send it elsewhere.",
    "overloaded": "The worker has `[server] max_connections` connections open already.",
    "queue_full": "As many requests as `limits` allows are under way, and as many as `limits.max_queued` wait. It is"
    " 503 and not 429, for it says nothing about the client: others may have taken the slots. Who has most places"
    " gives way to who has fewer. `Retry-After` is estimated from how often slots were freed lately, 1 to 60 s.",
    "queue_timeout": "The request waited for `timeouts.queue` at the limits of its route and upstream. `Retry-After`"
    " is estimated as above.",
    "limits_unavailable": "The Redis of `[shared]` does not answer, and `on_failure` is `closed`. Look at the Redis;"
    " the log says when it went and when it came back.",
    "total_timeout": "The exchange took longer than the route's `timeouts.total`.",
    "drained": "The stream still ran when `[server] drain_timeout` was over.",
    "superseded": "The end of an attempt, never of an exchange: `hedge` had another one made beside it, which was"
    " taken. It stands in `retried`.",
    "cancelled": "An operator ended it on the admin listener (`DELETE /-/streams/ID`).",
    "internal": "A defect of the gateway. The error log has the traceback; please report it.",
    "credentials_unavailable": "No token could be fetched for the upstream; the detail says what the token endpoint"
    " did. The upstream was not asked. See [Upstream credentials](credentials.md).",
    "dns_failed": "The endpoint's name could not be resolved. Check the name and the resolver.",
    "address_refused": "The endpoint's name resolves only to addresses of the own link or of a cloud's metadata, where"
    " the credentials of machines are: `[upstreams.X] allow_link_local` allows them.",
    "connect_refused": "Nothing listens at the endpoint's port.",
    "connect_failed": "The endpoint cannot be reached: no way to its network, or no such socket file.",
    "connect_timeout": "Name, connection and TLS handshake took longer than `timeouts.connect`.",
    "tls_failed": "The TLS handshake broke: not a TLS port, or no version in common (1.2 and above are used).",
    "tls_untrusted": "The certificate is not signed by a known authority, has expired or is for another name: see"
    " `[upstreams.X] tls`.",
    "send_failed": "The upstream closed the connection while the request was sent, and did not answer.",
    "send_timeout": "The upstream took no octet of the body for `timeouts.upload`.",
    "head_missing": "The upstream closed the connection without an answer, or inside the answer's head.",
    "head_invalid": "The answer's head can be read in more than one way, or is not HTTP/1; the detail names the line.",
    "head_too_large": "The answer's head has more than 64 KiB or 1,000 field lines.",
    "upgrade_refused": "The upstream answered 101 although no upgrade was asked for.",
    "late_refusal": "An answer came after a head had gone out early, and is not what that head promised; see"
    " `stream.grace`. The upstream's status is in the detail.",
    "first_byte_timeout": "The request was sent and no head came for `timeouts.first_byte`.",
    "idle_timeout": "The body fell silent for `timeouts.idle`. Time in which the client was not reading does not"
    " count.",
    "rate_timeout": "The body came more slowly than `timeouts.min_rate` asks for. Time in which the client was not"
    " reading does not count.",
    "body_cut": "The body ended before its `Content-Length` or its last chunk, or the connection broke.",
    "body_invalid": "The body's chunked coding is broken; what came before the break was relayed.",
    "answer_unfinished": "The body ended well by its framing, but lacks what its format ends with (`stream.complete ="
    ' "terminal"`); the detail says what. The client saw a [cut or an error frame](streams.md).',
    "answer_malformed": 'The body holds what its format does not allow (`stream.complete = "terminal"`); the detail'
    " says where. It was cut before that.",
    "in_band_error": "The upstream told an error inside an answer that began well; the detail is its code. The client"
    " got it as it came.",
    "first_frame_timeout": "Nothing that carries some of the answer came for `timeouts.first_frame`, though perhaps a"
    " head, pings or a preamble.",
}


def page() -> str:
    """Return the whole page. Raises KeyError for a kind of failure that has no advice."""
    parts = [INTRODUCTION]
    for side, title, preface in SECTIONS:
        parts += [f"\n## {title}\n\n{preface}\n", _table([kind for kind in KINDS if kind.side is side])]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _table(kinds: list[Kind]) -> str:
    rows = ["", "| Code | Status | Proxy-Status error | Outcome | What it means |", "|---|---|---|---|---|"]
    for kind in kinds:
        status = "none" if kind.status is None else str(kind.status)
        error = f"`{kind.proxy_error}`" if kind.proxy_error else ""
        rows.append(f"| `{kind.code}` | {status} | {error} | {_outcome(kind)} | **{kind.title}.** {_told(kind)} |")
    return "\n".join(rows)


def _outcome(kind: Kind) -> str:
    if kind.code == "superseded":
        return "none"
    failure = Failure(kind)
    outcomes = [judge(failure, committed=False, local=True)]
    if kind.code in AFTER_THE_HEAD:
        outcomes.append(judge(failure, committed=True, local=False))
    return ", ".join(f"`{value}`" for value in dict.fromkeys(outcome.value for outcome in outcomes))


def _told(kind: Kind) -> str:
    told = ADVICE[kind.code]
    if kind.retry_after_seconds is not None:
        told += f" `Retry-After: {kind.retry_after_seconds}`."
    return f"{told} *Unsent.*" if kind.unsent else told


def made() -> list[tuple[Path, str]]:
    """Return every file that is made from the code or from a recorded run, with what belongs in it."""
    example = example_file.FILE
    return [
        (PAGE, page()),
        (configuration_page.PAGE, configuration_page.page()),
        (metrics_page.PAGE, metrics_page.page()),
        (example, example_file.text(example.read_text(encoding="utf-8"))),
        *benchmark_page.made(),
    ]


def main() -> int:
    """Write what is out of date, or with ``--check`` say so."""
    if sys.argv[1:] not in ([], ["--check"]):
        sys.stderr.write("usage: python -m docs.generate [--check]\n")
        return 2
    stale = [(path, text) for path, text in made() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        if sys.argv[1:]:
            sys.stderr.write(f"{path.name} is out of date: run python -m docs.generate\n")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
