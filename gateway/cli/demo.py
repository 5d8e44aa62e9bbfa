"""``gateway demo``: the slow demo upstream, a gateway in front of it, and lines to try."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

_DEMO_ADDRESS = "127.0.0.1:9000"
_UNAVAILABLE = 69
_SETTINGS = f"""
[log]
format = "text"
[upstreams.demo]
endpoints = ["http://{_DEMO_ADDRESS}"]
[[routes]]
name = "demo"
path = "/demo/"
upstream = "demo"
strip_prefix = "/demo"
"""
_LINES = (
    ("slow text, a line every 300 ms", "curl -N http://{address}/demo/text?n=10&delay=300"),
    ("server-sent events with ids", "curl -N http://{address}/demo/sse?n=10&pace=300"),
    ("NDJSON at a chosen pace", "curl -N http://{address}/demo/ndjson?n=10&pace=200"),
    ("a stream that is cut: curl says so", "curl -N http://{address}/demo/cut?after=200&how=reset"),
    (
        "a chat completion, token by token",
        "curl -N http://{address}/demo/v1/chat/completions -H 'Content-Type: application/json'"
        """ -d '{{"model": "demo", "stream": true, "messages": [{{"role": "user", "content": "hi"}}]}}'""",
    ),
)


@click.command()
@click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Serve this file instead of the built-in demo configuration.",
)
def demo(path: Path | None) -> None:
    """Serve a slow demo upstream and a gateway in front of it."""
    from gateway.assemble import read_text
    from gateway.cli.reading import served
    from gateway.server.configuration import Configuration
    from gateway.server.logs import configure
    from gateway.server.serve import serve

    if path is None:
        settings, plan, _ = read_text(_SETTINGS, "demo")
        configuration, source = Configuration(settings, plan), None
    else:
        configuration, source = served(path)
    configure(configuration.settings.log.level)
    with _demo_upstream():
        _print_banner(configuration.settings.server.listen[0])
        serve(configuration, source)


@contextlib.contextmanager
def _demo_upstream() -> Iterator[None]:
    """Run the demo upstream beside the gateway; it is asked to stop when the gateway has."""
    owner = os.getpid()
    command = [sys.executable, "-u", "-m", "gateway.demo", "--listen", _DEMO_ADDRESS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own program
    assert process.stdout is not None
    # It says one line when it listens. Before that a line of the banner would be answered with 502.
    if not process.stdout.readline():
        sys.stderr.write(f"gateway: the demo upstream cannot serve on {_DEMO_ADDRESS}; is the address taken?\n")
        sys.exit(_UNAVAILABLE)
    try:
        yield
    finally:
        # The gateway's workers are forks of this process and leave through here too.
        if os.getpid() == owner:
            process.terminate()
            process.wait(timeout=10)


def _print_banner(address: str) -> None:
    lines = [f"slowgate listens on http://{address}, in front of the demo upstream on http://{_DEMO_ADDRESS}", ""]
    for what, line in _LINES:
        command = line.format(address=address)
        url_quoted = command if "'" in command else command.replace("http", '"http', 1) + '"'
        lines += [f"  # {what}", f"  {url_quoted}"]
    lines += ["", "Ctrl-C stops both.", ""]
    sys.stderr.write("\n".join(lines) + "\n")
