"""Processes that do not come up say so, and are gone."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import await_start


@pytest.mark.parametrize(
    ("program", "seconds", "told"), [("raise SystemExit(7)", 20, "ended with 7"), ("input()", 0.2, "in vain")]
)
def test_process_that_does_not_come_up_is_ended_and_what_it_wrote_is_told(
    tmp_path: Path, program: str, seconds: float, told: str
) -> None:
    """Whether it ended by itself or is not ready in time."""
    output = tmp_path / "output"
    output.write_text("why")
    with (
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process,
        pytest.raises(AssertionError, match=rf"(?s){told}.*why"),
    ):
        await_start(process, lambda: False, seconds, output, tmp_path / "none")
    assert process.returncode is not None
