"""How workers ask each other: lines that the master lays before the fork, so that nobody else can ever hold an end.

Each worker has an inbox, a pair of sockets without a name that every worker inherits. A question goes there together
with one end of a fresh pair, a line of its own, on which the answer streams back until it is closed. A worker that does
not answer in time (stopped, stuck, just gone) costs its asker that time and nothing else; the kernel bounds what waits
in an inbox. A question that is read too late is dropped, for its asker has said already that it was not answered.

Who has an inbox holds a lock on its byte, which the kernel gives back when the process ends, and writes its process id
there; who is forked later takes the inbox over, together with what nobody read.
"""

import fcntl
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable

import gevent
from gevent import socket as cooperative
from gevent.pool import Pool

from gateway.admin.all_streams import MOST_QUESTION_BYTES
from gateway.server.bulletin import nameless_memory
from gateway.server.living import lives

SPARE_INBOXES = 4
"""For workers that gunicorn is asked for later (SIGTTIN)."""
MOST_ANSWER_BYTES = 16 * 1024 * 1024
_MOST_ANSWERING = 8
_OWNER = struct.Struct("<Q")
_UNTIL = struct.Struct("<d")
"""Until when it is worth while to answer, on the clock that all processes of the machine share."""
_WHOLE = b"\0"
"""Ends an answer: without it a line that is closed is one of a worker that ran out of time, or met a defect."""
_RECEIVE_BYTES = 256 * 1024
_PAUSE_SECONDS = 0.1

_log = logging.getLogger("gateway.server")

Answer = Callable[[bytes], Iterable[bytes]]
"""Answers a question, piece by piece."""


class Switchboard:
    """All inboxes, and the one of this process once it has taken one. Made before the fork."""

    def __init__(self, workers: int) -> None:
        # Descriptors, not sockets: gevent's would belong to the event loop of the master.
        self._inboxes = [_pair() for _ in range(workers + SPARE_INBOXES)]
        self._owners = nameless_memory()
        os.ftruncate(self._owners, len(self._inboxes) * _OWNER.size)
        self._mine: int | None = None

    def take(self, answer: Answer) -> None:
        """Take an inbox that belongs to nobody, and let ``answer`` answer what comes in. Called once, in the worker."""
        for index in range(len(self._inboxes)):
            try:
                fcntl.lockf(self._owners, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index * _OWNER.size)
            except OSError:
                continue
            self._mine = index
            break
        else:
            _log.warning("more than %d workers: the others cannot ask this one", len(self._inboxes))
        for index, (reading, _) in enumerate(self._inboxes):
            if index != self._mine:
                os.close(reading)
        if self._mine is not None:
            os.pwrite(self._owners, _OWNER.pack(os.getpid()), self._mine * _OWNER.size)
            inbox = cooperative.socket(fileno=self._inboxes[self._mine][0])
            gevent.spawn(self._attend, inbox, answer)

    def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
        """Ask every other worker at once; return process ids with answers, None for one that did not give it in time.

        Raises ``ValueError`` for a question that is too long.
        """
        if len(question) > MOST_QUESTION_BYTES:
            raise ValueError(f"a question of more than {MOST_QUESTION_BYTES} octets")
        framed = _UNTIL.pack(time.monotonic() + seconds) + question
        asked = [(pid, gevent.spawn(_asked, outbox, framed, seconds)) for pid, outbox in self._others()]
        gevent.joinall([line for _, line in asked])
        return [(pid, line.value) for pid, line in asked]

    def _others(self) -> list[tuple[int, int]]:
        """Return the workers that run besides this one, each with the descriptor that leads to its inbox."""
        owners = os.pread(self._owners, len(self._inboxes) * _OWNER.size, 0)
        pids = [pid for (pid,) in _OWNER.iter_unpack(owners)]
        return [
            (pid, writing)
            for pid, (_, writing) in zip(pids, self._inboxes, strict=True)
            if pid not in (0, os.getpid()) and lives(pid)
        ]

    def _attend(self, inbox: cooperative.socket, answer: Answer) -> None:
        pool = Pool(_MOST_ANSWERING)  # Where it is full, questions wait in the inbox, which is bounded, too.
        while True:
            try:
                framed, lines, _, _ = socket.recv_fds(
                    inbox, _UNTIL.size + MOST_QUESTION_BYTES, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
                )
            except OSError:
                _log.exception("the inbox of the other workers cannot be read")
                gevent.sleep(_PAUSE_SECONDS)
                continue
            if lines:
                pool.spawn(_answered, cooperative.socket(fileno=lines[0]), framed, answer)


def _asked(outbox: int, framed: bytes, seconds: float) -> bytes | None:
    """Return the answer to a question, None where it does not come whole in time."""
    reading, writing = socket.socketpair()
    with cooperative.socket(fileno=reading.detach()) as line:
        try:
            _send(outbox, framed, writing)
        except OSError:
            return None  # Its inbox is full: it has not read for long.
        finally:
            writing.close()
        parts: list[bytes] = []
        size = 0
        with gevent.Timeout(seconds, False):  # type: ignore[arg-type]  # False: it passes quietly
            while size <= MOST_ANSWER_BYTES:
                try:
                    part = line.recv(_RECEIVE_BYTES)
                except OSError:
                    return None
                if not part:
                    whole = b"".join(parts)
                    return whole.removesuffix(_WHOLE) or None if whole.endswith(_WHOLE) else None
                parts.append(part)
                size += len(part)
        return None


def _send(outbox: int, framed: bytes, line: socket.socket) -> None:
    """Send without waiting: an inbox that is full belongs to a worker that does not answer."""
    with cooperative.socket(fileno=os.dup(outbox)) as sock:
        sock.setblocking(False)
        sock.sendmsg([framed], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", line.fileno()))])


def _answered(line: cooperative.socket, framed: bytes, answer: Answer) -> None:
    with line:
        (until,) = _UNTIL.unpack_from(framed)
        left = until - time.monotonic()
        if left <= 0:
            return
        try:
            with gevent.Timeout(left, False):  # type: ignore[arg-type]  # False: it passes quietly
                for piece in answer(framed[_UNTIL.size :]):
                    line.sendall(piece)
                line.sendall(_WHOLE)
        except OSError:
            pass  # Whoever asked has gone.
        except Exception:
            _log.exception("another worker's question met a defect")


def _pair() -> tuple[int, int]:
    """Return the reading and the writing end of an inbox: each question is a message of its own."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return reading.detach(), writing.detach()
