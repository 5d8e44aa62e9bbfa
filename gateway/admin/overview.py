"""How the whole gateway stands: what one worker is asked about it, it asks the others, too."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from gateway.admin.all_streams import ANSWER_SECONDS, AllStreams, Busy, Colleagues
from gateway.admin.sight import PARTS, Seen, Worker, seen, together

MOST_AT_ONCE = 4
"""Sights that one worker puts together at a time."""
_ROWS_A_BREATH = 20
"""Some 2 ms."""

_T = TypeVar("_T")


class Overview:
    """Looks at all workers."""

    def __init__(
        self, worker: Worker, streams: AllStreams, colleagues: Colleagues, breathe: Callable[[], object] = lambda: None
    ) -> None:
        """``breathe`` lets others run where there is much to do."""
        self.worker = worker
        self._streams = streams
        self._colleagues = colleagues
        self.breathe = breathe
        self._under_way = 0

    def look(self, parts: Sequence[str] = PARTS, seconds: float = ANSWER_SECONDS) -> Seen:
        """Return what all workers see that answer within ``seconds``. Raises `Busy` where too many look already."""
        if self._under_way >= MOST_AT_ONCE:
            raise Busy("too many look at this moment")
        self._under_way += 1
        try:
            question = json.dumps({"do": "look", "parts": parts}).encode()
            answers = self._colleagues.ask(question, seconds)
            return together(seen(self.worker, parts, self.breathe), answers, self.breathe)
        finally:
            self._under_way -= 1

    def gently(self, rows: Iterable[_T]) -> list[_T]:
        """Return ``rows``, which take a while to make; others run in between."""
        made: list[_T] = []
        for each in rows:
            made.append(each)
            if len(made) % _ROWS_A_BREATH == 0:
                self.breathe()
        return made

    def answer(self, question: bytes) -> Iterator[bytes]:
        """Answer what another worker asks, with `look` or about streams."""
        content = json.loads(question)
        if content["do"] != "look":
            yield from self._streams.answer(question)
            return
        for piece in seen(self.worker, content["parts"], self.breathe):
            yield json.dumps(piece).encode() + b"\n"
