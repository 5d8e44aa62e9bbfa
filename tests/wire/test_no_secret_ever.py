"""A secret in every setting that can hold one, and in what clients send: none of it comes out anywhere.

Whoever adds a setting that holds a secret adds one line to ``PLANTS``.
"""

import base64
import hashlib
import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response

from gateway.cli.main import cli


@dataclass(frozen=True)
class Plant:
    """A setting with a secret: the table it stands in, its line with ``%s`` for the value, how the value comes."""

    table: str
    line: str
    secret: str
    by: str
    """``env``, ``file`` (references), or ``text``: written out."""


KEY = "the server's private key"
"""Stands for its PEM text."""
DIGEST = "5ec7e7" + "4711" * 14 + "42"

PLANTS = (
    Plant("[server.tls]", "key = %s", KEY, "file"),
    Plant("[admin.tls]", "key = %s", KEY, "text"),
    Plant("[[admin.tokens]] # a", "token = %s", "sk-planted-admin-env", "env"),
    Plant("[[admin.tokens]] # b", "token = %s", "sk-planted-admin-file", "file"),
    Plant("[[admin.tokens]] # c", "token = %s", "sk-planted-admin-text", "text"),
    Plant("[[admin.tokens]] # d", "sha256 = %s", DIGEST, "text"),
    Plant("[[routes]] # dead", 'headers = { "X-Api-Key" = %s }', "sk-planted-match-text", "text"),
    Plant("[[routes]] # cut", 'headers = { "X-Which" = %s }', "sk-planted-match-env", "env"),
    Plant("[[routes]] # rewritten", "rewrite = %s", "/sk-planted-rewrite", "env"),
    Plant("[callers.keys.app]", "sha256 = %s", hashlib.sha256(b"sk-sent-key").hexdigest(), "text"),
    Plant("[callers.users.bob]", "sha256 = %s", hashlib.sha256(b"sk-sent-password").hexdigest(), "env"),
    Plant("[callers.jwt.login]", "secret = %s", "sk-planted-jwt-of-thirty-two-octets-or-more", "file"),
    Plant("[upstreams.up.credentials]", "bearer = %s", "sk-planted-up-bearer", "text"),
    Plant("[upstreams.up.credentials.query]", "key = %s", "sk-planted-up-query", "env"),
    Plant("[upstreams.up.credentials.by_principal.app]", "bearer = %s", "sk-planted-up-principal", "file"),
    Plant("[upstreams.dead.credentials.basic]", "password = %s", "sk-planted-dead-basic", "text"),
    Plant("[upstreams.dead.credentials.headers]", "X-Key = %s", "sk-planted-dead-header", "text"),
    Plant("[upstreams.signed.credentials.hmac]", "key = %s", "sk-planted-hmac", "file"),
    Plant("[upstreams.aws.credentials.sigv4]", "secret_access_key = %s", "sk-planted-sigv4", "text"),
    Plant("[upstreams.aws.credentials.sigv4]", "session_token = %s", "sk-planted-session", "env"),
    Plant("[upstreams.issued.credentials.oauth2]", "client_secret = %s", "sk-planted-oauth", "text"),
    Plant("[shared]", "redis = %s", "redis://:sk-planted-redis@127.0.0.1:1/0", "text"),
    Plant("[callers.jwt.published]", "jwks = %s", "http://127.0.0.1:1/keys?key=sk-planted-jwks", "text"),
    Plant("[callers.forward_auth.check]", "url = %s", "http://127.0.0.1:1/check?key=sk-planted-check", "text"),
    Plant("[upstreams.issued.credentials.oauth2]", "token_url = %s", "http://127.0.0.1:1/?k=sk-planted-issuer", "text"),
    Plant("[tracing.headers]", "X-Api-Key = %s", "sk-planted-tracing", "text"),
    Plant("[store]", "url = %s", "postgresql://gate:sk-planted-store@127.0.0.1:1/exchanges", "text"),
)

TABLES = {
    "[server.tls]": 'certificate = "%(certificate)s"',
    "[admin.tls]": 'certificate = "%(certificate)s"',
    "[[admin.tokens]] # a": 'name = "a"\nrights = ["read", "control"]',
    "[[admin.tokens]] # b": 'name = "b"',
    "[[admin.tokens]] # c": 'name = "c"',
    "[[admin.tokens]] # d": 'name = "d"',
    "[upstreams.up]": 'endpoints = ["http://127.0.0.1:%(port)d/base"]\nkeepalive = "0s"',
    "[upstreams.dead]": 'endpoints = ["http://127.0.0.1:%(dead)d"]',
    "[[routes]] # dead": 'name = "dead"\npath = "/dead"\nupstream = "dead"',
    "[[routes]] # cut": 'name = "cut"\npath = "/cut"\nupstream = "up"',
    "[[routes]] # rewritten": 'name = "rewritten"\npath = "/rewritten"\nstrip_prefix = "/rewritten"\nupstream = "up"',
    "[callers]": 'key_query = "api_key"',
    "[callers.keys.app]": "",
    "[callers.users.bob]": "",
    "[callers.jwt.login]": 'issuer = "https://login.example"\naudience = "slowgate"\nalgorithms = ["HS256"]',
    "[callers.jwt.published]": 'issuer = "https://published.example"\naudience = "slowgate"',
    "[upstreams.up.credentials]": 'otherwise = "default"',
    "[upstreams.dead.credentials.basic]": 'user = "gate"',
    "[upstreams.signed]": 'endpoints = ["http://127.0.0.1:%(dead)d"]',
    "[upstreams.aws]": 'endpoints = ["http://127.0.0.1:%(dead)d"]',
    "[upstreams.aws.credentials.sigv4]": 'region = "r"\nservice = "s"\naccess_key_id = "AKID"',
    "[upstreams.issued]": 'endpoints = ["http://127.0.0.1:%(port)d"]',
    "[upstreams.issued.credentials.oauth2]": 'client_id = "gate"',
    "[[routes]] # asked": 'name = "asked"\npath = "/asked"\nupstream = "up"\n'
    'auth = { any = ["keys", "basic", "jwt"] }\ncors = { origins = ["https://app.example"] }\n'
    'limits = { rates = [{ limit = "90/s" }, { limit = "90/s", by = "header:X-Key" }] }',
    "[[routes]] # signed": 'name = "signed"\npath = "/signed"\nupstream = "signed"',
    "[[routes]] # aws": 'name = "aws"\npath = "/aws"\nupstream = "aws"',
    "[[routes]] # issued": 'name = "issued"\npath = "/issued"\nupstream = "issued"',
    "[[routes]] # all": 'name = "all"\npath = "/"\nupstream = "up"',
}
"""What stands in a table beside its secrets. A plant may name a table that is not here, too."""

_WHAT_IS_SENT = ("bearer", "cookie", "query", "field", "body", "admin", "key", "password")
SENT = tuple(f"sk-sent-{what}" for what in _WHAT_IS_SENT)
COMMANDS = (
    ("check",),
    ("check", "--strict"),
    ("check", "--json"),
    ("config",),
    ("routes",),
    ("routes", "GET", "/rewritten/x"),
    ("explain", "GET", "/rewritten/x"),
    ("explain", "GET", "/dead", "-H", "X-Api-Key: sk-planted-match-text"),
    ("reload",),
)
ENVIRONMENT = {f"PLANT_{number}": plant.secret for number, plant in enumerate(PLANTS) if plant.by == "env"}


class Garden:
    """A directory with the plants in a file, and what gives them away."""

    def __init__(self, directory: Path, tls: TlsFiles, port: int) -> None:
        self.directory = directory
        self.pem = tls.key.read_text()
        self._names = {"certificate": tls.certificate, "port": port, "dead": free_port()}
        for number, plant in enumerate(PLANTS):
            if plant.by == "file":
                file = directory / f"plant-{number}"
                file.write_text(self.text_of(plant))
                file.chmod(0o600)
        texts = [plant.secret for plant in PLANTS if plant.secret != KEY] + list(SENT)
        texts += [word for text in texts for word in re.findall("sk-planted-[a-z]+", text)]
        texts += [line for line in self.pem.splitlines() if len(line) > 20 and "-----" not in line]
        texts += [base64.b64encode(text.encode()).decode().rstrip("=") for text in texts]
        self.secrets = re.compile("|".join([*map(re.escape, texts), "PRIVATE KEY"]))

    def text_of(self, plant: Plant) -> str:
        return self.pem if plant.secret == KEY else plant.secret

    def value(self, number: int) -> str:
        """Return the value of a plant as the file has it."""
        plant = PLANTS[number]
        if plant.by == "env":
            return f'"${{env:PLANT_{number}}}"'
        return f'"${{file:plant-{number}}}"' if plant.by == "file" else json.dumps(self.text_of(plant))

    def toml(self, wrong: int | None = None, mistake: str = "") -> str:
        """Return all tables; the line of the plant number ``wrong`` is the ``mistake`` instead."""
        tables = {header: [text % self._names] for header, text in TABLES.items()}
        for number, plant in enumerate(PLANTS):
            line = mistake if number == wrong else plant.line % self.value(number)
            tables.setdefault(plant.table, []).append(line)
        return "".join("\n".join([header, *lines, "", ""]) for header, lines in tables.items())

    def mistakes(self) -> Iterator[tuple[int, str]]:
        """Yield what people do to a line that holds a secret."""
        for number, plant in enumerate(PLANTS):
            value = self.value(number)
            key, _, rest = plant.line.partition(" ")
            yield number, plant.line % f"[{value}]"
            yield number, plant.line % f"{{ of = {value} }}"
            yield number, plant.line % (value[:-1] + '\\u0000"')
            yield number, plant.line % value[:-1]
            yield number, f"{plant.line % value}\n{plant.line % value}"
            yield number, f"{key}_ {rest % value}"
            yield number, f"{key[:-1]} {rest % value}"
            yield number, f"{plant.line % value} trailing"
            yield number, plant.line % value.strip('"')

    def found_in(self, text: str) -> list[str]:
        return self.secrets.findall(text)


def said(file: Path, *commands: tuple[str, ...]) -> dict[str, str]:
    """Return what each command prints, on both streams, and what it raised."""
    found = {}
    for name, *rest in commands:
        result = CliRunner().invoke(cli, [name, "-c", str(file), *rest])
        found[" ".join([name, *rest])] = f"{result.output}\n{result.stderr}\n{result.exception!r}"
    return found


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream that answers, but cuts what is below /cut."""

    def play(connection: ScriptedConnection) -> None:
        request = connection.read_request()
        if "/cut" in request.target:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")
        else:
            connection.send(response(b"ok"))

    with ScriptedUpstream(play) as playing:
        yield playing


@pytest.fixture
def garden(tmp_path: Path, tls_files: TlsFiles, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> Garden:
    """The plants, with their environment."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GATEWAY_ADMIN_TOKEN", raising=False)
    return Garden(tmp_path, tls_files, upstream.port)


def written(garden: Garden, toml: str) -> Path:
    """Write the file; nothing listens where it says."""
    file = garden.directory / "gateway.toml"
    listens = f'[server]\nlisten = "127.0.0.1:{free_port()}"\n[admin]\nlisten = "127.0.0.1:{free_port()}"\n'
    file.write_text(listens + toml)
    return file


def test_no_command_shows_a_planted_secret(garden: Garden) -> None:
    """The file is good, every secret is in use, and what is printed has none."""
    told = said(written(garden, garden.toml()), *COMMANDS, ("schema",))

    assert "is good" in told["check"]
    assert told["config"].count("***") >= len(PLANTS)
    assert {command: garden.found_in(text) for command, text in told.items() if garden.found_in(text)} == {}


def test_no_mistake_in_a_secret_line_shows_it(garden: Garden) -> None:
    """Wrong types, misspelt keys, lines said twice, quotes forgotten: the place is told, the rest masked."""
    leaks = []
    for number, mistake in garden.mistakes():
        told = said(written(garden, garden.toml(number, mistake)), ("check",), ("check", "--json"), ("config",))
        leaks += [(command, mistake, text) for command, text in told.items() if garden.found_in(text)]

    assert leaks == []


def test_no_secret_leaves_a_running_gateway(garden: Garden, tls_files: TlsFiles) -> None:
    """Exchanges that succeed, fail or are cut, admin pages, bad requests, a bad reload, a crash."""
    gateway = Gateway(garden.toml(), garden.directory, environment=ENVIRONMENT, log={"level": "debug"}, tls=None)
    gateway.admin_context = tls_files.client_context()
    with gateway:
        replies = list(_exchanges(gateway, tls_files)) + list(_admin_pages(gateway))
        gateway.wait_for_line(lambda line: line["route"] == "cut" and line["outcome"] == "truncated")
        gateway.wait_for_line(lambda line: line["route"] == "dead" and line["outcome"] == "failed")
        number, mistake = next(garden.mistakes())
        gateway.write(garden.toml(number, mistake))
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: "the configuration is bad" in gateway.stderr(), 5, "the refusal of the reload")
        (worker,) = gateway.worker_pids()
        os.kill(worker, signal.SIGABRT)
        wait_until(lambda: gateway.worker_pids() not in ([], [worker]), 10, "a new worker")

    assert len(replies) > 40
    assert [garden.found_in(reply) for reply in replies if garden.found_in(reply)] == []
    assert garden.found_in(gateway.output()) == []


_PATHS = ("/x", "/dead", "/cut", "/rewritten/y", "/../up", "/asked", "/signed", "/aws", "/issued")


def _exchanges(gateway: Gateway, tls_files: TlsFiles) -> Iterator[str]:
    """Yield what clients get that send secrets of their own, and the planted ones."""
    fields = ["Authorization: Bearer sk-sent-bearer", "Cookie: session=sk-sent-cookie", "X-Key: sk-sent-field"]
    fields += [f"X-Api-Key: {PLANTS[6].secret}", f"X-Which: {PLANTS[7].secret}"]
    heads = [f"GET {path}?key=sk-sent-query HTTP/1.1" for path in _PATHS]
    heads += ["OPTIONS /asked HTTP/1.1\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET"]
    heads += ["GET /asked?api_key=sk-sent-key&a=1 HTTP/1.1\r\nOrigin: https://app.example"]
    heads += ["GET /x HTTP/9.9", "CONNECT up:443 HTTP/1.1", "BAD", "POST /x HTTP/1.1\r\nContent-Length: 3, 4"]
    for head in heads:
        with RudeClient(gateway.address, tls_files.client_context()) as client:
            client.send("\r\n".join([head, "Host: localhost", *fields, "", "sk-sent-body"]).encode())
            client.wait_closed(0.4) if "BAD" in head else None
            yield b"".join(piece for _, piece in client.arrivals(0.4)).decode("latin-1")
    basic = base64.b64encode(b"bob:sk-sent-password").decode()
    for line in ("X-API-Key: sk-sent-key", f"Authorization: Basic {basic}", "Authorization: Bearer sk-sent-key"):
        with RudeClient(gateway.address, tls_files.client_context()) as client:
            reply = client.get("/asked", line).read_response()
            assert reply.status == 200, line
            yield f"{reply.fields} {reply.body!r}"


def _admin_pages(gateway: Gateway) -> Iterator[str]:
    """Yield what operators get, and who is none."""
    pages = ("healthy", "ready", "version", "upstreams", "streams", "none", "store", "exchanges.csv", "exchanges.json")
    pages += ("", "live", "routes", "failures", "traffic", "config", "upstreams/all")
    for token in (PLANTS[2].secret, PLANTS[4].secret, "sk-sent-admin"):
        headers = {"Authorization": f"Bearer {token}", "Cookie": "sk-sent-cookie"}
        answers = [gateway.admin(f"/-/{page}?token=sk-sent-query", headers=headers) for page in pages]
        answers += [gateway.admin("/-/streams/sk-sent-field", "DELETE", headers)]
        yield from (f"{answer.headers} {answer.text}" for answer in answers)
