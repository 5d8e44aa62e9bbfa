"""The exchanges of all workers: what one worker is asked about them, it asks the others, too.

Among themselves workers speak lines: a JSON object about the whole, then, for a list, a line for each exchange, which
begins with its rank in the order that was asked for, so that lists can be merged without being read.
"""

import heapq
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.admin.streams import Running, cancel, listed
from gateway.admin.wanted import BadFilter, Parameters, parse_wanted

ANSWER_SECONDS = 2.0
"""What another worker gets to answer."""
MOST_AT_ONCE = 4
"""Lists that one worker makes for its operators at a time: each may be some megabytes."""
MOST_QUESTION_BYTES = 32 * 1024
_ROWS_A_PIECE = 100
_ROWS_A_BREATH = 1000
"""Rows that are moved before the streams of the worker go on: some 2 ms."""

Row = tuple[float, bytes]


class Busy(Exception):
    """There are too many lists in the making."""


class Colleagues(Protocol):
    """The other workers."""

    def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
        """Ask all of them at once; return process ids with answers, None for one that did not answer in time."""


class Alone:
    """Stands for the other workers where there is none, or nobody to ask."""

    def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
        """Return nothing."""
        return []


@dataclass(slots=True)
class Told:
    """What all workers say together."""

    head: dict[str, object]
    rows: list[bytes] = field(default_factory=list)
    """JSON objects, in the order that was asked for."""

    def pieces(self) -> Iterator[bytes]:
        """Yield one JSON object: the head, with the rows under ``streams``."""
        yield json.dumps(self.head).encode()[:-1] + b', "streams": ['
        for at in range(0, len(self.rows), _ROWS_A_PIECE):
            yield (b",\n" if at else b"\n") + b",\n".join(self.rows[at : at + _ROWS_A_PIECE])
        yield b"]}\n"


class AllStreams:
    """Lists and cancels in this worker and, by way of ``colleagues``, in all the others."""

    def __init__(
        self,
        running: Running,
        clock: Callable[[], float],
        colleagues: Colleagues,
        breathe: Callable[[], object] = lambda: None,
    ) -> None:
        """``breathe`` lets others run where there is much to do."""
        self._running = running
        self._clock = clock
        self._colleagues = colleagues
        self._breathe = breathe
        self._under_way = 0

    def tell(self, parameters: Parameters, seconds: float = ANSWER_SECONDS) -> Told:
        """Return the exchanges that ``parameters`` ask for, the oldest or the most silent, up to their limit.

        Other workers get ``seconds`` to answer. Raises `BadFilter`, and `Busy` where there are too many such lists in
        the making.
        """
        wanted, question = parse_wanted(parameters), _question("list", parameters)
        if self._under_way >= MOST_AT_ONCE:
            raise Busy("too many lists are being made at this moment")
        self._under_way += 1
        try:
            answers = self._colleagues.ask(question, seconds)
            mine = listed(self._running, wanted, os.getpid(), self._clock, self._breathe)
            heads = [{"worker": os.getpid(), "total": mine.total, "matching": mine.matching}]
            rows = [mine.rows]
            silent = []
            for pid, answer in answers:
                if answer is None:
                    silent.append(pid)
                    continue
                head, lines = self._read(answer)
                heads.append(head)
                rows.append(lines)
            return Told(_together(heads, silent), self._merged(rows, wanted.limit))
        finally:
            self._under_way -= 1

    def cancel(self, parameters: Parameters) -> dict[str, object]:
        """End what ``parameters`` ask for; return how many there were, and which workers did not answer.

        Raises `BadFilter`, also where nothing is asked of the exchanges, or a part of them: none is chosen by chance.
        """
        wanted, question = parse_wanted(parameters), _question("cancel", parameters)
        if not wanted.some:
            named = "id, route, principal, upstream, phase or older_than"
            raise BadFilter(f"without a filter all streams would end: give {named}")
        for name in ("limit", "by"):
            if any(given == name for given, _ in parameters):
                raise BadFilter(f"{name} is for lists; all streams that match are ended")
        count = cancel(self._running, wanted, self._clock())
        silent = []
        for pid, answer in self._colleagues.ask(question, ANSWER_SECONDS):
            if answer is None:
                silent.append(pid)
            else:
                count += json.loads(answer)["cancelled"]
        return {"cancelled": count, "worker": os.getpid(), "unanswered": silent}

    def answer(self, question: bytes) -> Iterator[bytes]:
        """Answer what another worker asks with `tell` or `cancel`."""
        content = json.loads(question)
        wanted = parse_wanted([(name, value) for name, value in content["parameters"]])
        if content["do"] == "cancel":
            yield json.dumps({"cancelled": cancel(self._running, wanted, self._clock())}).encode()
            return
        found = listed(self._running, wanted, os.getpid(), self._clock, self._breathe)
        yield json.dumps({"worker": os.getpid(), "total": found.total, "matching": found.matching}).encode() + b"\n"
        for at in range(0, len(found.rows), _ROWS_A_PIECE):
            rows = found.rows[at : at + _ROWS_A_PIECE]
            yield b"".join(b"%r %b\n" % (started, row) for started, row in rows)

    def _merged(self, lists: list[list[Row]], most: int) -> list[bytes]:
        rows: list[bytes] = []
        for _, row in heapq.merge(*lists, key=lambda row: row[0]):
            if len(rows) == most:
                break
            rows.append(row)
            if len(rows) % _ROWS_A_BREATH == 0:
                self._breathe()
        return rows

    def _read(self, answer: bytes) -> tuple[dict[str, int], list[Row]]:
        head, *lines = answer.splitlines()
        rows: list[Row] = []
        for number, line in enumerate(lines):
            if number % _ROWS_A_BREATH == 0:
                self._breathe()
            started, _, row = line.partition(b" ")
            rows.append((float(started), row))
        return json.loads(head), rows


def _question(do: str, parameters: Parameters) -> bytes:
    question = json.dumps({"do": do, "parameters": parameters}).encode()
    if len(question) > MOST_QUESTION_BYTES:
        raise BadFilter("the filters are too long: ask with fewer of them at a time")
    return question


def _together(heads: list[dict[str, int]], silent: list[int]) -> dict[str, object]:
    return {
        "worker": os.getpid(),
        "total": sum(head["total"] for head in heads),
        "matching": sum(head["matching"] for head in heads),
        "workers": sorted(heads, key=lambda head: head["worker"]),
        "unanswered": silent,
    }
