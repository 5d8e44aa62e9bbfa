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
[[routes]]
name = "model"
path = "/model/"
upstream = "demo"
strip_prefix = "/model"
stream = {{ format = "openai", complete = "terminal", on_error = "frame" }}
"""
_MESSAGES = '"messages": [{"role": "user", "content": "hi"}]'
_JSON = "-H 'Content-Type: application/json' -d"
_LINES = (
    ("slow text, a line every 300 ms", "/demo/text?n=10&delay=300", ""),
    ("server-sent events with ids", "/demo/sse?n=10&pace=300", ""),
    ("NDJSON at a chosen pace", "/demo/ndjson?n=10&pace=200", ""),
    ("a stream that is cut: curl says so", "/demo/cut?after=200&how=reset", ""),
    (
        "a chat completion of OpenAI's API, token by token (/demo/v1/responses is there, too)",
        "/demo/v1/chat/completions",
        f"""{_JSON} '{{"model": "demo", "stream": true, {_MESSAGES}}}'""",
    ),
    (
        "a message of Anthropic's API",
        "/demo/v1/messages",
        f"""{_JSON} '{{"model": "demo", "stream": true, "max_tokens": 20, {_MESSAGES}}}'""",
    ),
    (
        "a completion that its upstream breaks off; the route knows the format, and the client is told",
        "/model/v1/chat/completions?cut=5",
        f"""{_JSON} '{{"model": "demo", "stream": true, {_MESSAGES}}}'""",
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
    from gateway.assemble import read_text_checked
    from gateway.cli.reading import configuration_of, served
    from gateway.server.logs import configure
    from gateway.server.serve import serve

    if path is None:
        configuration, source = configuration_of(read_text_checked(_SETTINGS, "demo")), None
    else:
        configuration, source = served(path)
    configure(configuration.settings.log.level)
    with _demo_upstream():
        _print_banner(configuration.settings.server.listen[0], configuration.settings.admin.listen)
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
        sys.stderr.write(
            f"gateway: the demo upstream cannot serve on {_DEMO_ADDRESS}; is the address taken? On others:\n"
            "  python -m gateway.demo --listen 127.0.0.1:9001\n"
            "  gateway proxy --to http://127.0.0.1:9001 --listen 127.0.0.1:8090 --admin off\n"
        )
        sys.exit(_UNAVAILABLE)
    try:
        yield
    finally:
        # The gateway's workers are forks of this process and leave through here too.
        if os.getpid() == owner:
            process.terminate()
            process.wait(timeout=10)


def _print_banner(address: str, admin: str | None) -> None:
    lines = [f"slowgate listens on http://{address}, in front of the demo upstream on http://{_DEMO_ADDRESS}", ""]
    for what, path, options in _LINES:
        lines += [f"  # {what}", f'  curl -N "http://{address}{path}" {options}'.rstrip()]
    if admin is not None and not admin.startswith("unix:"):
        lines += ["", f"  # the dashboard, in a browser: http://{admin}/-/"]
    lines += ["", "Ctrl-C stops both.", ""]
    sys.stderr.write("\n".join(lines) + "\n")
