"""What the C library keeps of freed memory: large pieces of bodies must not cost new pages each time."""

import ctypes
import subprocess
import sys

import pytest

from gateway.server.freed_memory import keep_freed_memory

_PROGRAM = """
import resource
from gateway.server.freed_memory import keep_freed_memory
{setting}
for _ in range(50):
    pieces = [bytes(512 * 1024) for _ in range(3)]
    del pieces
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    pieces = [bytes([1]) * (512 * 1024) for _ in range(3)]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(setting: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PROGRAM.format(setting=setting)], capture_output=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="a C library without mallopt")
def test_large_pieces_take_the_memory_of_those_before_them() -> None:
    """Without the setting each turn asks the system for hundreds of pages; with it hardly ever for one."""
    assert _faults("keep_freed_memory()") * 10 < _faults("")


def test_a_python_without_ctypes_serves_all_the_same() -> None:
    """It is built without libffi in some places; freed memory then goes as the C library likes."""
    program = (
        "import sys; sys.modules['ctypes'] = None\n"
        "from gateway.server.freed_memory import keep_freed_memory\n"
        "print(keep_freed_memory())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"


def test_asking_twice_is_harmless() -> None:
    """Each worker asks for itself, whoever its parent was."""
    assert keep_freed_memory() == keep_freed_memory()
