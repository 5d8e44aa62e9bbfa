"""Every metric there is: its name, what it counts, its labels. Counting, rendering and documentation read it here.

Values of labels come from the configuration or from lists of ours, never from what a client or an upstream sent: so
many series there are, and never more. Names follow Prometheus' habits: base units, ``_total`` for counters.
"""

from dataclasses import dataclass

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_GAPS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_LONG = (0.05, 0.25, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. Its samples differ by the values of ``labels``."""

    name: str
    """Without the ``_total`` of counters."""
    kind: str
    """``counter``, ``gauge`` or ``histogram``."""
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, without the last one, which is infinite."""


_SERIES = ("route", "upstream")

EXCHANGES = Family(
    "slowgate_exchanges",
    "counter",
    (*_SERIES, "outcome", "status"),
    "Exchanges that have ended, by outcome and status; truncated is one of the outcomes.",
)
FAILURES = Family(
    "slowgate_failures", "counter", (*_SERIES, "code", "side"), "Exchanges that ended with a failure, by its code."
)
CLIENT_GONE = Family(
    "slowgate_client_gone", "counter", (*_SERIES, "phase"), "Exchanges whose client left, by how far they were."
)
REQUEST_BYTES = Family(
    "slowgate_request_body_bytes",
    "counter",
    _SERIES,
    "Octets of request bodies taken from clients, also while they come.",
)
RESPONSE_BYTES = Family(
    "slowgate_response_body_bytes", "counter", _SERIES, "Octets of bodies handed to clients, also while they flow."
)
CHUNKS = Family("slowgate_chunks", "counter", _SERIES, "Chunks handed to clients, also while they flow.")
PINGS = Family("slowgate_pings", "counter", _SERIES, "Pings sent to clients, also while their streams go on.")
STALLS = Family(
    "slowgate_stalls", "counter", _SERIES, "Silences of upstreams that a route calls a stall, also while streams go on."
)
EARLY_HEADS = Family(
    "slowgate_early_heads", "counter", _SERIES, "Exchanges whose head went out before their upstream had answered."
)
FLAWED = Family(
    "slowgate_flawed_answers",
    "counter",
    _SERIES,
    "Watched answers that ended all the same though their format says not.",
)
READ_ON = Family(
    "slowgate_read_on",
    "counter",
    (*_SERIES, "result"),
    "Answers that were read on without their client, by how that ended.",
)
TOKENS = Family(
    "slowgate_tokens",
    "counter",
    (*_SERIES, "kind"),
    "Tokens that watched answers say they have cost: prompt, completion.",
)
ATTEMPTS = Family(
    "slowgate_attempts",
    "counter",
    ("upstream", "endpoint", "result"),
    "Attempts at endpoints, by status class, code of the failure, or abandoned.",
)
RETRIES = Family("slowgate_retries", "counter", _SERIES, "Attempts that followed another one of the same exchange.")
NOT_RETRIED = Family(
    "slowgate_retries_refused", "counter", (*_SERIES, "reason"), "Attempts to be retried that no other one followed."
)
HEDGES = Family(
    "slowgate_hedges", "counter", (*_SERIES, "result"), "Exchanges with an attempt beside the first, or refused one."
)
FAILED_OPEN = Family(
    "slowgate_failed_open", "counter", ("upstream",), "Attempts for which no endpoint was available, so that all were."
)
CPU_SECONDS = Family("slowgate_worker_cpu_seconds", "counter", (), "CPU time of the workers, past ones included.")

QUEUED_SECONDS = Family(
    "slowgate_queue_wait_seconds",
    "histogram",
    _SERIES,
    "Time that ended exchanges waited for their turn, if they had to.",
    _FAST,
)
HEAD_SECONDS = Family(
    "slowgate_head_seconds", "histogram", _SERIES, "From the request to the head of the upstream's answer.", _FAST
)
FIRST_BYTE_SECONDS = Family(
    "slowgate_first_byte_seconds",
    "histogram",
    _SERIES,
    "From the request to the first octet of the upstream's body.",
    _FAST,
)
FIRST_FRAME_SECONDS = Family(
    "slowgate_first_frame_seconds",
    "histogram",
    _SERIES,
    "From the request to the first frame that means something, in watched answers.",
    _FAST,
)
LONGEST_GAP_SECONDS = Family(
    "slowgate_longest_gap_seconds",
    "histogram",
    _SERIES,
    "Longest silence between two chunks of each relayed answer.",
    _GAPS,
)
SILENCE_SECONDS = Family(
    "slowgate_silence_seconds",
    "histogram",
    _SERIES,
    "How long the upstreams of running streams were silent when looked at, once a second.",
    _GAPS,
)
DURATION_SECONDS = Family(
    "slowgate_duration_seconds", "histogram", _SERIES, "From the request to the end of the exchange.", _LONG
)

OPEN = Family("slowgate_open_exchanges", "gauge", (*_SERIES, "phase"), "Exchanges under way, by how far they are.")
RUNNING = Family("slowgate_limit_running", "gauge", ("limit", "name"), "Exchanges that hold a slot of a limit.")
WAITING = Family(
    "slowgate_limit_waiting", "gauge", ("limit", "name"), "Exchanges that wait for a slot: the queue's depth."
)
ALLOWED = Family(
    "slowgate_limit_allowed", "gauge", ("limit", "name"), "Slots of a limit at the moment, of all workers together."
)
ENDPOINT_STATE = Family(
    "slowgate_endpoint_state",
    "gauge",
    ("upstream", "endpoint", "state"),
    "Workers that find the endpoint available, tripped, probing or unhealthy.",
)
IN_FLIGHT = Family(
    "slowgate_endpoint_in_flight", "gauge", ("upstream", "endpoint"), "Attempts under way at an endpoint."
)
IDLE_CONNECTIONS = Family(
    "slowgate_idle_connections",
    "gauge",
    ("upstream", "endpoint"),
    "Connections to an endpoint that are kept for later.",
)
RETRIES_COUNTED = Family(
    "slowgate_retry_budget_used", "gauge", ("upstream",), "Retries that count against the budget of an upstream now."
)
CLIENT_CONNECTIONS = Family("slowgate_client_connections", "gauge", (), "Connections of clients that are open.")
WORKERS = Family("slowgate_workers", "gauge", (), "Workers that serve.")
DRAINING = Family("slowgate_workers_draining", "gauge", (), "Workers that end their streams and take no new ones.")
REJECTED = Family(
    "slowgate_configuration_rejected",
    "gauge",
    (),
    "Workers whose newest configuration was refused: the one before counts.",
)
RESIDENT_BYTES = Family(
    "slowgate_worker_resident_memory_bytes", "gauge", (), "Memory of the workers, shared parts in each."
)
BUILD = Family("slowgate_build_info", "gauge", ("version", "python"), "Always 1: the versions that run.")

FAMILIES: tuple[Family, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Family))
"""All of them, in the order above, which is that of the page and of the documentation."""
