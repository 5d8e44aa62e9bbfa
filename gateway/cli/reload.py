"""``gateway reload``: let a running gateway read its configuration again, and say what came of it."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.asking_admin import AdminListener
from gateway.cli.reading import config_option, read_file

_WAIT_SECONDS = 10.0
_NO_GATEWAY = 69


@click.command()
@config_option
def reload(path: Path) -> None:
    """Check FILE, then let the gateway that serves it adopt it; running streams are not touched."""
    settings, _ = read_file(path)
    listener = AdminListener(settings.admin)
    try:
        before = {worker: state["offered"] for worker, state in _states(listener, settings.server.workers).items()}
        os.kill(int(listener.get("version")["pid"]), signal.SIGHUP)
        after = _wait_for_news(listener, before)
    except OSError as error:
        sys.stderr.write(f"gateway: no gateway to tell on {listener.address}: {error}\n")
        sys.exit(_NO_GATEWAY)
    if after is None:
        sys.stderr.write(f"gateway: not every worker answered within {_WAIT_SECONDS:g} s; see the gateway's log\n")
        sys.exit(1)
    rejected = {state["rejected"] for state in after.values()} - {None}
    if rejected:
        sys.stderr.write(f"gateway: refused, the configuration before stays: {', '.join(sorted(rejected))}\n")
        sys.exit(1)
    click.echo(f"{path} is adopted")
    for name in sorted({name for state in after.values() for name in state.get("needs_restart", ())}):
        sys.stderr.write(f"gateway: {name} has changed; that needs a restart\n")


def _states(listener: AdminListener, workers: int) -> dict[int, Any]:
    """Return what each worker says of its configuration. Each question reaches any of them, so it is asked anew."""
    states: dict[int, Any] = {}
    until = time.monotonic() + _WAIT_SECONDS
    while len(states) < workers and time.monotonic() < until:
        answer = listener.get("ready")
        states[answer["worker"]] = answer["configuration"]
    return states


def _wait_for_news(listener: AdminListener, before: dict[int, int]) -> dict[int, Any] | None:
    """Return what the workers say once each was offered something new; None if that takes too long."""
    states: dict[int, Any] = {}
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        answer = listener.get("ready")
        if answer["configuration"]["offered"] > before.get(answer["worker"], 0):
            states[answer["worker"]] = answer["configuration"]
        if len(states) >= len(before):
            return states
        time.sleep(0.02)
    return None
