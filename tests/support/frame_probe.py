"""``gateway serve`` whose worker measures the Python frames of each client connection, and writes down the deepest.

CPython 3.11 keeps the frames of a greenlet one behind the other in a block of memory; a page of it that was ever
touched stays as long as the greenlet. To be run as ``python -m tests.support.frame_probe``.
"""

import inspect
import json
import os
import sys
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

REPORT = "FRAME_PROBE_REPORT"
"""The variable of the environment that names a file: a `Depth` as JSON a line, whenever a connection went deeper."""
IS_KNOWN = sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 11) and sys.maxsize > 2**32
"""Whether this is a Python whose frames are laid out as is assumed here."""
PAGE_OCTETS = 4096 - 32
"""What frames may take of the first page: a block begins with four words of its own."""
_WORD_OCTETS = 8
_FRAME_SPECIALS_WORDS = 9
"""What a frame has besides variables and stack: FRAME_SPECIALS_SIZE in Include/internal/pycore_frame.h."""
_ON_THE_HEAP = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

Depth = dict[str, Any]
"""``connection``: its number in the worker; ``octets`` of all ``frames``: name and octets of each, outermost first."""


@cache
def frame_octets(code: CodeType) -> int:
    """Return what a call of ``code`` takes of the block; nothing for generators, which bring their frame along."""
    if code.co_flags & _ON_THE_HEAP:
        return 0
    variables = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    return (len(variables) + code.co_stacksize + _FRAME_SPECIALS_WORDS) * _WORD_OCTETS


def deepest(report: Path) -> list[Depth]:
    """Return how deep each connection went, in the order in which they came."""
    lines = map(json.loads, report.read_text().splitlines())
    return list({line["connection"]: line for line in lines}.values())


class Probe:
    """Measures one connection after the other: none may come while another is there."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._connection = 0
        self._deepest = 0

    def install(self) -> None:
        """Look at all that listeners do for a connection, from the first call on."""
        from gateway.server.listener import Listener

        handle = Listener._handle

        def handle_measured(listener: Listener, client: Any, peer: Any) -> None:
            self._connection += 1
            self._deepest = 0
            sys.setprofile(self._look)
            handle(listener, client, peer)

        Listener._handle = handle_measured  # type: ignore[method-assign]

    def _look(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        codes = []
        each: FrameType | None = frame
        while each is not None:
            codes.append(each.f_code)
            each = each.f_back
        if codes.pop().co_name != "handle_measured":
            return  # not a connection's greenlet
        octets = sum(map(frame_octets, codes))
        if octets > self._deepest:
            self._deepest = octets
            frames = [(code.co_qualname, frame_octets(code)) for code in reversed(codes)]
            with self._report.open("a") as file:
                file.write(json.dumps({"connection": self._connection, "octets": octets, "frames": frames}) + "\n")


if __name__ == "__main__":
    from gateway.__main__ import main

    os.register_at_fork(after_in_child=Probe(Path(os.environ[REPORT])).install)
    main()
