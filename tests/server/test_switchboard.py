"""Lines between workers: each process that is forked can be asked by every other one, and by nobody else.

The processes are made in one of their own: forking and an event loop have no place among the tests.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = """
import os, json, time, signal
import gevent
from gateway.server.switchboard import Switchboard

board = Switchboard({workers})
ready, told = os.pipe()

def worker(answer):
    pid = os.fork()
    if pid:
        assert os.read(ready, 1)
        return pid
    gevent.reinit()
    board.take(answer)
    gevent.sleep(0.01)
    os.write(told, b"x")
    gevent.sleep(60)
    os._exit(0)

children = []
try:
    {body}
finally:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
"""


def ran(body: str, workers: int = 2) -> Any:
    """Return what ``body`` prints as JSON; it may start workers with ``worker(answer)``."""
    script = SCRIPT.replace("{workers}", str(workers)).replace("{body}", body.strip().replace("\n", "\n    "))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def test_every_other_worker_answers_the_question() -> None:
    """At once, each for itself; a worker does not ask itself."""
    answers = ran("""
children += [worker(lambda question, word=word: [word, question]) for word in (b"one ", b"two ")]
board.take(lambda question: [b"mine"])
answers = board.ask(b"who?", 5)
print(json.dumps([[pid in children, answer.decode()] for pid, answer in answers]))
""")
    assert answers == [[True, "one who?"], [True, "two who?"]]


def test_a_long_answer_comes_whole() -> None:
    """Megabytes do not fit into any buffer: they stream."""
    length = ran("""
children.append(worker(lambda question: (bytes([65 + n % 26]) * 100_000 for n in range(60))))
board.take(lambda question: [])
((_, answer),) = board.ask(b"all", 10)
print(json.dumps(len(answer)))
""")
    assert length == 6_000_000


def test_an_answer_beyond_the_bound_counts_as_none() -> None:
    """Nobody's memory is filled by another worker's defect."""
    assert ran("""
from gateway.server import switchboard
switchboard.MOST_ANSWER_BYTES = 1_000_000
children.append(worker(lambda question: (b"x" * 100_000 for n in range(60))))
board.take(lambda question: [])
print(json.dumps([answer for _, answer in board.ask(b"all", 10)]))
""") == [None]


def test_an_answer_that_ends_too_early_counts_as_none() -> None:
    """Half an answer, of a worker that ran out of time, is nothing that anybody could read."""
    assert ran("""
def slow(question):
    yield b"the first half"
    gevent.sleep(30)
children.append(worker(slow))
board.take(lambda question: [])
print(json.dumps([answer and answer.decode() for _, answer in board.ask(b"all", 0.3)]))
""") == [None]


def test_a_worker_that_is_stopped_costs_the_time_and_does_nothing_late() -> None:
    """Its question is dropped when it goes on; a question after that is answered."""
    seconds, first, noted, second = ran("""
noted = []
def answer(question):
    noted.append(question.decode())
    return [json.dumps(noted).encode()]
children.append(worker(answer))
board.take(lambda question: [])
os.kill(children[0], signal.SIGSTOP)
begun = time.monotonic()
first = [answer for _, answer in board.ask(b"late", 0.3)]
seconds = time.monotonic() - begun
os.kill(children[0], signal.SIGCONT)
((_, second),) = board.ask(b"now", 5)
print(json.dumps([seconds, first, json.loads(second), second.decode()]))
""")
    assert 0.25 < seconds < 3
    assert (first, noted) == ([None], ["now"])
    assert second


def test_an_inbox_that_is_full_is_not_waited_for() -> None:
    """The kernel bounds what waits there; whoever asks on is told at once that there is no answer."""
    asked, last_seconds = ran("""
children.append(worker(lambda question: [b"x"]))
board.take(lambda question: [])
os.kill(children[0], signal.SIGSTOP)
for asked in range(2000):
    begun = time.monotonic()
    assert [answer for _, answer in board.ask(b"q" * 30_000, 0.05)] == [None]
    last = time.monotonic() - begun
    if last < 0.04:
        break
print(json.dumps([asked, last]))
""")
    assert asked < 1999
    assert last_seconds < 0.04


def test_a_worker_that_died_is_not_asked_and_its_successor_is() -> None:
    """The lock on an inbox goes with its process, whoever is forked next takes the inbox over."""
    before, after, successor = ran("""
def dies():
    pid = worker(lambda question: [b"first"])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
dies()
before = board._others()
children.append(worker(lambda question: [b"second"]))
board.take(lambda question: [])
after = [answer.decode() for _, answer in board.ask(b"?", 5)]
print(json.dumps([before, after, board._mine]))
""")
    assert (before, after, successor) == ([], ["second"], 1)


def test_an_answer_that_fails_is_none_and_the_next_question_is_answered() -> None:
    """A defect in one answer costs that answer."""
    assert ran("""
import logging
logging.disable(logging.CRITICAL)
def answer(question):
    if question == b"bad":
        raise RuntimeError("no")
    yield b"good"
children.append(worker(answer))
board.take(lambda question: [])
print(json.dumps([[a and a.decode() for _, a in board.ask(q, 5)] for q in (b"bad", b"fine")]))
""") == [[None], ["good"]]


def test_more_workers_than_inboxes_go_on_unasked() -> None:
    """They can ask the others, they are missed by nobody, and the log says so."""
    assert ran(
        """
import logging
logging.disable(logging.CRITICAL)
children += [worker(lambda question: [b"x"]) for _ in range(5)]
board.take(lambda question: [])
print(json.dumps([board._mine, len(board.ask(b"?", 5))]))
""",
        workers=1,
    ) == [None, 5]


def test_no_inbox_has_a_name_and_none_survives_an_exec() -> None:
    """Nobody but the processes that were forked can hold an end."""
    assert (
        ran(
            """
import socket
fds = [fd for pair in board._inboxes for fd in pair]
print(json.dumps([socket.socket(fileno=os.dup(fd)).getsockname() or None for fd in fds]
                 + [os.get_inheritable(fd) for fd in fds + [board._owners]]))
""",
            workers=1,
        )
        == [None] * 10 + [False] * 11
    )
