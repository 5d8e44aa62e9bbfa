"""The memory in which workers' counts outlive them: processes of its own die here."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.conditions import wait_until

from gateway.server import ledger
from gateway.server.ledger import HALF_BYTES, Ledger, Sheet

HOLD = """
import os, sys
from gateway.server import ledger
ledger.nameless_memory = lambda: int(sys.argv[1])
mine = ledger.Ledger()
found = mine.claim()
for _ in range(int(sys.argv[3])):
    mine.write(sys.argv[2].encode())
print(found, flush=True)
sys.stdin.read()
"""


class Holder:
    """Another process that has a sheet of ``memory`` and writes ``content`` into it."""

    def __init__(self, memory: Ledger, content: str, writes: int = 1) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(memory._fd), content, str(writes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[memory._fd],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        self.found = self.process.stdout.readline().decode().strip()

    def kill(self) -> None:
        """End it at once; its sheet is free then."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def hold() -> Iterator[type[Holder]]:
    """Make holders that end with the test."""
    made: list[Holder] = []

    class Ending(Holder):
        def __init__(self, memory: Ledger, content: str, writes: int = 1) -> None:
            made.append(self)
            super().__init__(memory, content, writes)

    yield Ending
    for each in made:
        each.kill()


def contents(memory: Ledger) -> list[tuple[bytes, bool]]:
    """Return what is read, and who of the writers lives."""
    return [(sheet.content, sheet.alive) for sheet in memory.read()]


def test_what_one_process_writes_all_read(hold: type[Holder]) -> None:
    """Each has a sheet of its own, which is new at first."""
    memory = Ledger()
    assert memory.claim() is None
    memory.write(b"mine")
    memory.write(b"mine again")
    other = hold(memory, "theirs")

    assert other.found == "None"
    assert sorted(contents(memory)) == [(b"mine again", True), (b"theirs", True)]


def test_who_follows_a_dead_process_gets_its_sheet(hold: type[Holder]) -> None:
    """Its content stays readable until then, as that of a dead one; the number of sheets does not grow."""
    memory = Ledger()
    memory.claim()
    memory.write(b"mine")
    first = hold(memory, "first", writes=3)
    first.kill()
    wait_until(lambda: (b"first", False) in contents(memory), 5, "its death to be seen")
    for number in range(5):
        next_ = hold(memory, f"next {number}")
        assert next_.found == ("b'first'" if number == 0 else f"b'next {number - 1}'")
        assert sorted(contents(memory)) == [(b"mine", True), (f"next {number}".encode(), True)]
        next_.kill()
    assert os.fstat(memory._fd).st_size <= 2 * 2 * HALF_BYTES


@pytest.mark.parametrize("octets", [0, 3, 20, 40], ids=lambda octets: f"{octets} octets")
def test_a_write_that_death_broke_off_leaves_what_was_before(octets: int) -> None:
    """Whatever part of it was written: nobody reads half a sheet, and the next write goes there."""
    memory = Ledger()
    memory.claim()
    for content in (b"one", b"two", b"three"):
        memory.write(content)
    os.pwrite(memory._fd, b"\xff" * octets, ledger._HEAD.size)  # The half that is next, where "two" was.

    assert contents(memory) == [(b"three", True)]
    memory.write(b"four")
    assert contents(memory) == [(b"four", True)]
    memory.write(b"five")
    os.pwrite(memory._fd, struct.pack("<Q", 99), 0)
    assert contents(memory) == [(b"five", True)]


def test_what_has_no_place_is_told_by_its_own_worker_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many workers, or too much to write: the page of the others lacks it, its own does not."""
    monkeypatch.setattr(ledger, "HALF_BYTES", 4096)
    memory = Ledger()
    memory.claim()
    memory.write(b"small")
    memory.write(b"x" * 5000)
    assert contents(memory) == [(b"x" * 5000, True)]
    memory.write(b"small again")
    assert contents(memory) == [(b"small again", True)]

    monkeypatch.setattr(ledger, "MOST_SHEETS", 0)
    crowded = Ledger()
    assert crowded.claim() is None
    crowded.write(b"mine")
    assert list(crowded.read()) == [Sheet(b"mine", alive=True)]
