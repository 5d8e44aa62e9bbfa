"""Makes docs/metrics.md from the list of metrics that the code counts by."""

from pathlib import Path

from gateway.exchange.outcome import Outcome
from gateway.exchange.phase import PHASES
from gateway.observe.families import FAMILIES, Family
from gateway.policy.endpoints import STATES

PAGE = Path(__file__).parent / "metrics.md"

INTRODUCTION = """\
# Metrics

`GET /-/metrics` on the [admin listener](admin.md) is for Prometheus: what all workers have counted and how they
stand, as OpenMetrics 1.0 where `Accept` asks for it, else as Prometheus' own text. It needs the right to read.
There is nothing to set: where there is an admin listener there are metrics, with `[admin] listen = "off"` nothing
is counted.

This page is made from `gateway/observe/families.py` by `docs/generate.py`; do not edit it.

```yaml
scrape_configs:
  - job_name: slowgate
    metrics_path: /-/metrics
    static_configs: [{ targets: ["127.0.0.1:8081"] }]
    authorization: { credentials_file: /etc/prometheus/slowgate-token } # where [[admin.tokens]] are set
```

`deploy/grafana/dashboard.json` is a dashboard for Grafana 11 and later (import it and choose the data source);
`deploy/prometheus/rules.yml` and `deploy/prometheus/alerts.yml` are rules for Prometheus, and
`deploy/prometheus/rules_test.yml` shows for which series each alert fires (`promtool test rules`).
"""

WORDS = """\
## Labels

Labels hold what the configuration names and words from lists of ours; nothing that a client or an upstream sends
can make a new series. There is no label for paths, principals, models or peers: the log line has them.

| Label | Values |
|---|---|
| `route`, `upstream` | names in the file; both empty for requests that met no route |
| `endpoint` | as in the file, without its path |
| `outcome` | {outcomes} |
| `status` | what the client got, or its class (`2xx`) where that is not registered; `none` where no head went out |
| `code`, `side` | those of [failures](failures.md) |
| `phase` | {phases}: see below |
| `state` | {states} |
| `result` | of attempts the class of the status, the failure's code, or `abandoned`; else as in the log line |
| `reason` | as `not_retried` in the log line |
| `kind` | `prompt`, `completion` |
| `limit`, `name` | `route` or `upstream`, and which |

Phases are those of [live streams](admin.md#the-list). Of clients that left, the phase is the one in which they did,
so never `drain`; where the route reads on without its client, it is `await` for all who left before the head went out.

## What the numbers mean

- **Exchanges are counted at their end**, all at once and exactly once, as their log line says. A stream that runs
  for an hour is in `slowgate_open_exchanges` until then. Its octets, chunks, pings and stalls are added while it
  runs, whenever somebody looks: once a second, and at each scrape.
- **Nothing is done for a chunk.** So there is no histogram of all gaps. `slowgate_longest_gap_seconds` has the
  longest gap of each answer with more than one chunk, at its end. `slowgate_silence_seconds` is a sample: once a
  second each stream whose upstream is waited for is asked how long it has been silent up to now (at most 1,000
  streams of a worker, picked evenly). A silence of a minute so counts sixty times, with 1 s, 2 s and so on: what it
  tells is how much of the time streams are how silent, not how many gaps there were. A client that takes its time
  is no silence.
- **Times begin with the request**, waiting for a slot included. Head, first byte and first frame are those of
  upstreams' answers, not of replies of our own.
- **Truncations** are `slowgate_exchanges_total{{outcome="truncated"}}`; `slowgate_failures_total` tells of what.
- **Token counts** are what upstreams say of themselves.
- `slowgate_endpoint_state` is how many workers find an endpoint in that state: each sees for itself.
- `slowgate_failures_total{{code="internal"}}` is there from the start with 0, so that the first defect is a growth.
  Other counters appear when they first count.

## Several workers, and workers that die

Whoever is asked tells of all. Each worker writes what it has counted into memory that all of them share, once a
second and before it answers a scrape; so what others have counted may be a second old. Counts of a worker that died
stay, without what it counted in its last second, and who follows it counts on: counters never fall but for a
restart of the whole gateway. Gauges are those of living workers. ([Why
so](decisions/0020-metrics-in-shared-memory.md).)

A reload keeps what was counted. Series of routes, upstreams and endpoints that are gone go with it; streams of
theirs that still run count at their end in new series, which go with the reload after that.
"""


def page() -> str:
    """Return the whole page."""
    words = WORDS.format(
        outcomes=_listed(tuple(outcome.value for outcome in Outcome)),
        phases=_listed(PHASES),
        states=_listed(STATES),
    )
    rows = "\n".join(map(_row, FAMILIES))
    head = "| Metric | Kind | Labels | What it is |\n|---|---|---|---|"
    return f"{INTRODUCTION}\n## All of them\n\n{head}\n{rows}\n\n{words}"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _row(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    told = family.help
    if family.buckets:
        told += f" Buckets from {family.buckets[0]:g} s to {family.buckets[-1]:g} s."
    return f"| `{name}` | {family.kind} | {_listed(family.labels)} | {told} |"
