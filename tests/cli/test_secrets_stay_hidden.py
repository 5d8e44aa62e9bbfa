"""Secrets are planted everywhere; no output of any command or of a running gateway shows one."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, read_request, response

from gateway.cli.main import cli

FROM_ENV, FROM_FILE, IN_PLAIN, IN_PATH = "sk-env-4711", "sk-file-4712", "sk-plain-4713", "sk-path-4714"
IN_BASE = "sk-base-4715"
SECRETS = re.compile("sk-(?:env|file|plain|path|base)-47|PRIVATE KEY|MII[A-Za-z0-9+/]{20}")
ENVIRONMENT = {"PLANTED": FROM_ENV, "PLANTED_PATH": IN_PATH, "PLANTED_BASE": IN_BASE}

GOOD = f"""
include = ["more.toml"]
[upstreams.up]
endpoints = [{{ url = "http://127.0.0.1:%d/${{env:PLANTED_BASE}}" }}]
[[routes]]
name = "env"
path = "/"
upstream = "up"
headers = {{ "X-Which" = "${{env:PLANTED}}" }}
[[routes]]
name = "plain"
path = "/"
upstream = "up"
headers = {{ "X-Api-Key" = "{IN_PLAIN}" }}
[[routes]]
name = "rest"
path = "/"
upstream = "up"
"""
MORE = """
[[routes]]
name = "file"
path = "/${env:PLANTED_PATH}/"
upstream = "up"
headers = { "X-Other" = "${file:planted}" }
strip_prefix = "/${env:PLANTED_PATH}"
rewrite = "/${env:PLANTED}"
"""
MISTAKES = f"""
[log]
level = "${{env:PLANTED}}"
[forwarding]
via = "${{env:PLANTED}} and more"
request_id_header = "${{file:planted}} "
trusted_peers = ["${{env:PLANTED}}"]
[defaults]
timeouts = {{ idle = "${{env:PLANTED}}" }}
credentials = {{ bearer = "{IN_PLAIN}" }}
[upstreams.tls]
endpoints = ["https://127.0.0.1"]
tls = {{ ca = "${{env:PLANTED}}" }}
[upstreams.wrong]
endpoints = ["${{env:PLANTED}}", "https://user:{IN_PLAIN}@127.0.0.1/"]
password = "{IN_PLAIN}"
tls = {{ ca = "${{file:${{env:PLANTED}}}}", token = "{IN_PLAIN}", verify = "no" }}
[[routes]]
name = "${{file:planted}} two words"
path = "${{env:PLANTED}}"
upstream = "${{env:PLANTED}}"
methods = ["${{env:PLANTED}} x"]
headers = {{ "Authorization" = "Bearer {IN_PLAIN}\\n", "X Secret" = "{IN_PLAIN}" }}
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls_files: TlsFiles) -> Callable[[str], Path]:
    """Return how to write a configuration with secrets around it; its name comes back."""
    (tmp_path / "planted").write_text(f"{FROM_FILE}\n")
    (tmp_path / "more.toml").write_text(MORE)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    key = tls_files.key.read_text()

    def write(text: str, *, literal_key: bool = False) -> Path:
        written = f"'''{key}'''" if literal_key else f'"${{file:{tls_files.key}}}"'
        # Without an admin listener `gateway reload` finds no gateway to tell, whatever runs on this machine.
        tables = f'[admin]\nlisten = "off"\n[server.tls]\ncertificate = "{tls_files.certificate}"\nkey = {written}\n'
        (tmp_path / "gateway.toml").write_text(text + tables)
        return tmp_path / "gateway.toml"

    return write


def outputs(path: Path) -> dict[str, str]:
    """Return what every command that reads a configuration prints, on both streams."""
    commands = [
        ["check"],
        ["check", "--strict"],
        ["check", "--json"],
        ["config"],
        ["routes"],
        ["routes", "GET", "/x"],
        ["explain", "GET", "/x"],
        ["explain", "GET", f"/{IN_PATH}/y", "-H", f"X-Other: {FROM_FILE}"],
        ["explain", "GET", "/x", "-H", f"X-Api-Key: {IN_PLAIN}"],
        ["explain", "GET", "/x", "-H", f"X-Which: {FROM_ENV}"],
        ["explain", "CONNECT", "/x"],
        ["schema"],
        ["reload"],
    ]
    found = {}
    for command in commands:
        arguments = command if command == ["schema"] else [command[0], "-c", str(path), *command[1:]]
        result = CliRunner().invoke(cli, arguments)
        found[" ".join(command)] = f"{result.output}\n{result.stderr}\n{result.exception!r}"
    return found


@pytest.mark.parametrize("literal_key", [False, True])
def test_no_command_shows_a_secret_of_a_good_file(planted: Callable[..., Path], literal_key: bool) -> None:
    """From the environment, from a file, written out, a private key: all of them are masked."""
    told = outputs(planted(GOOD % 9, literal_key=literal_key))

    assert "is good" in told["check"]
    assert 'key = "***"' in told["config"]
    assert "# rewrite" not in told[next(each for each in told if "X-Other" in each)]
    assert [command for command, text in told.items() if SECRETS.search(text)] == []


@pytest.mark.parametrize("literal_key", [False, True])
def test_no_message_about_a_bad_file_shows_a_secret(planted: Callable[..., Path], literal_key: bool) -> None:
    """Wrong values, wrong keys, and what stands beside them in their lines."""
    told = outputs(planted(GOOD % 9 + MISTAKES, literal_key=literal_key))

    assert told["check"].count("gateway.toml:") >= 15
    assert [command for command, text in told.items() if SECRETS.search(text)] == []


def test_a_broken_text_shows_no_secret(planted: Callable[..., Path]) -> None:
    """What is no TOML has no structure that could tell what is secret."""
    for rest in (f'\napi_key = "{IN_PLAIN}', f"\ntoken = {IN_PLAIN}\n", f"\n{IN_PLAIN} {IN_PLAIN}\n"):
        told = outputs(planted(GOOD % 9 + rest))
        assert "not valid TOML" in told["check"]
        assert [command for command, text in told.items() if SECRETS.search(text)] == []


@pytest.mark.wire
@pytest.mark.usefixtures("planted")
def test_a_running_gateway_shows_no_secret(tmp_path: Path, scripted_upstream: Callable[..., ScriptedUpstream]) -> None:
    """Not at the start, not in the line of an exchange, good or failed, and not when a reload is refused."""
    upstream = scripted_upstream([read_request, response(b"ok")])
    dead = f'[upstreams.dead]\nendpoints = ["http://127.0.0.1:{free_port()}/${{env:PLANTED_BASE}}"]\n'
    dead += '[[routes]]\nname = "dead"\npath = "/dead"\nupstream = "dead"\n'
    include, _, rest = (GOOD % upstream.port).lstrip().partition("\n")
    gateway = Gateway(rest + dead, tmp_path, environment=ENVIRONMENT, log={"level": "debug"})
    gateway.file.write_text(f"{include}\n{gateway.file.read_text()}")
    with gateway:
        for target in ("/x", "/dead"):
            with RudeClient(gateway.address) as client:
                client.get(target, f"X-Api-Key: {IN_PLAIN}").read_response()
        gateway.wait_for_line(lambda line: line["route"] == "plain")
        gateway.wait_for_line(lambda line: line["route"] == "dead")
        gateway.file.write_text(gateway.file.read_text() + MISTAKES.replace("[log]", "[lgo]"))
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: "lgo" in gateway.stderr(), 5, "the refusal of the reload")
        said = gateway.output() + gateway.admin("/-/ready").text + gateway.admin("/-/version").text

    assert SECRETS.findall(said) == []
