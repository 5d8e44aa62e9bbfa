"""What becomes of an exchange that has ended: it is counted, and its record goes to the log, the store, the trace and
the newest failures.

All of it is done for several together, when the loop comes round (`gateway.relay.later`), and before anything changes
that decides where it goes.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gateway.exchange.exchange import Exchange
from gateway.observe.failed import Failures
from gateway.observe.line import LineLog, level_of
from gateway.observe.record import record_of
from gateway.policy import trace_context
from gateway.policy.hooks import Hooks
from gateway.relay.later import Later

if TYPE_CHECKING:
    from gateway.store.keeping import Store  # not loaded where nothing is stored
    from gateway.tracing.tracer import Tracer  # nor where nothing is traced


class Records:
    """Gives each ended exchange its record, once, and the record to all who want it."""

    def __init__(
        self, store: "Store | None", tracer: "Tracer | None", report: Callable[[Exchange, BaseException], None]
    ) -> None:
        """``report`` logs a defect that was met while a record was made."""
        self.store = store
        self.tracer = tracer
        self.count: Callable[[Exchange], object] | None = None
        """Counts an exchange; None where nobody reads the counts."""
        self.failures: Failures | None = None
        """Where failures are noted; None where nobody reads them."""
        self._ended: Later[tuple[LineLog, Exchange, float]] = Later(
            self._take, lambda ended, error: report(ended[1], error)
        )

    def hooks(self, line_log: LineLog) -> Hooks:
        """Return what hears of the end of an exchange whose line goes to ``line_log``."""
        return Hooks(finish=partial(self._end, line_log))

    def flush(self) -> None:
        """Count and record what has ended now: before something changes, and when nobody will be there later."""
        self._ended.flush()

    def _end(self, line_log: LineLog, exchange: Exchange) -> None:
        self._ended.put((line_log, exchange, time.time()))  # noqa: TID251 - a date for people

    def _take(self, ended: tuple[LineLog, Exchange, float]) -> None:
        try:
            self._record(*ended)
        finally:
            if self.count is not None:
                self.count(ended[1])

    def _record(self, line_log: LineLog, exchange: Exchange, ended_at: float) -> None:
        """Make the record of an ended exchange, where anybody wants it, and give it to all who do."""
        store, tracer, wanted = self.store, self.tracer, line_log.wants(exchange)
        failures = self._failures_for(exchange) if exchange.failure is not None else None
        if not wanted and store is None and tracer is None and failures is None:
            return
        if tracer is not None:
            trace_context.trace_of(exchange, tracer.tracing.rule)  # Of what was refused before anybody asked for it.
        record = record_of(exchange, ended_at)
        if failures is not None:
            failures.put(record)
        if tracer is not None:
            tracer.put(exchange, record)
        if store is not None:
            store.put(record)  # First: a log that cannot be written must not cost the row.
        if wanted:
            line_log.write(record, level_of(exchange))

    def _failures_for(self, exchange: Exchange) -> Failures | None:
        """Return where a failed exchange is noted; None for nowhere."""
        return self.failures if self.failures is not None and self.failures.wants(exchange) else None
