"""Upstream credentials of every kind are planted, everything that can fail fails, and nothing said shows one."""

import base64
import re
import signal
from pathlib import Path

import pytest
from cli.test_secrets_stay_hidden import outputs
from conftest import StartUpstream
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, toml_table
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import response

from gateway.assemble import read_text

ENVIRONMENT = {
    f"PLANTED_{name}": f"sk-planted-{name.lower()}" for name in ("BEARER", "QUERY", "HEADER", "CLIENT", "AWS")
}
BASIC = base64.b64encode(b"user:sk-planted-password").decode()
SHOWN = re.compile(f"sk-planted|sk%2Dplanted|PRIVATE KEY|MII[A-Za-z0-9+/]{{20}}|{re.escape(BASIC[:-4])}")

KINDS: dict[str, dict[str, object]] = {
    "bearer": {"bearer": "${env:PLANTED_BEARER}"},
    "basic": {"basic": {"user": "user", "password": "sk-planted-password"}},
    "headers": {"headers": {"X-Api-Key": "${env:PLANTED_HEADER}", "X-More": "sk-planted-plain"}},
    "query": {"query": {"key": "${env:PLANTED_QUERY}", "k2": "sk-planted-plain"}},
    "sigv4": {
        "sigv4": {
            "region": "r",
            "service": "s",
            "access_key_id": "AKID",
            "secret_access_key": "${env:PLANTED_AWS}",
            "session_token": "sk-planted-session",
            "max_body": "3B",
        }
    },
    "hmac": {"hmac": {"key": "sk-planted-key", "max_body": "3B"}},
    "callers": {"by_principal": {"a": {"bearer": "sk-planted-a"}}},
}


def script(connection: ScriptedConnection) -> None:
    """Fail in the way that the target names; answer otherwise. As an issuer, repeat the secret in an error."""
    target = connection.read_request().target
    if "/token" in target:
        connection.send(
            response(b'{"error":"sk-planted-client","error_description":"sk-planted-client"}', status="400 No")
        )
    elif "/gone" in target:
        connection.close()
    elif "/bad" in target:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
    elif "/cut" in target:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        connection.reset()
    elif "/silent" in target:
        connection.hang()
    else:
        connection.send(response(b"ok", status="401 No" if "/401" in target else "200 OK"))


def configured(url: str, tls_files: TlsFiles) -> str:
    """Return routes to an upstream for each kind of credential, at a service that fails as it is told to."""
    token = {
        "token_url": f"{url}/token",
        "client_id": "c",
        "client_secret": "${env:PLANTED_CLIENT}",
        "auth": "post",
    }
    dead = {"url": f"http://127.0.0.1:{free_port()}", "credentials": {"bearer": "sk-planted-endpoint"}}
    key = tls_files.client_certificate.read_text().partition("-----BEGIN CERT")[0]
    toml = ""
    for name, credentials in {**KINDS, "oauth2": {"oauth2": token}}.items():
        toml += toml_table(f"upstreams.{name}", {"endpoints": [url], "credentials": credentials})
        timeouts = {"first_byte": "300ms"}
        route = {"name": name, "path": f"/{name}/", "upstream": name, "timeouts": timeouts}
        toml += toml_table("[routes]", route)
    toml += toml_table("upstreams.dead", {"endpoints": [dead]})
    toml += toml_table("[routes]", {"name": "dead", "path": "/dead/", "upstream": "dead"})
    tls = {"certificate": tls_files.client_certificate, "key": key}
    toml += toml_table("upstreams.tls", {"endpoints": [url.replace("http:", "https:")], "tls": tls})
    return toml + toml_table("[routes]", {"name": "tls", "path": "/tls/", "upstream": "tls"})


def test_no_command_shows_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls_files: TlsFiles) -> None:
    """Neither of a good file nor of one in which each of them is wrong."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "gateway.toml"
    for spoilt in ("", '[admin]\nlisten = "off"\n[log]\nlevel = "sk"\n'):
        toml = configured("http://127.0.0.1:9", tls_files)
        if spoilt:
            toml = toml.replace("sk-planted-", "sk-planted\\n-").replace('"max_body"', '"max-body"')
        path.write_text(spoilt + toml)
        told = outputs(path)
        assert ("is good" in told["check"]) is not bool(spoilt)
        assert spoilt or 'bearer = "***"' in told["config"]
        assert [command for command, text in told.items() if SHOWN.search(text)] == []


def test_what_is_made_of_a_file_does_not_print_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls_files: TlsFiles
) -> None:
    """Whatever a traceback, a debugger or a dump may show of settings and plan."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings, plan, _ = read_text(configured("http://127.0.0.1:9", tls_files), "test", directory=tmp_path)

    assert SHOWN.search(repr(plan)) is None
    for upstream in settings.upstreams.values():
        assert SHOWN.search(f"{upstream.credentials!r} {upstream.endpoints!r}") is None


@pytest.mark.wire
@pytest.mark.slow
def test_a_running_gateway_shows_no_credential(
    tmp_path: Path, scripted_upstream: StartUpstream, tls_files: TlsFiles
) -> None:
    """Not in its log at any level, not in a reply about any failure, not on a page, not in a refused reload."""
    upstream = scripted_upstream(script)
    said, statuses = b"", set()
    gateway = Gateway(configured(upstream.url, tls_files), tmp_path, environment=ENVIRONMENT, log={"level": "debug"})
    with gateway:
        for route in (*KINDS, "oauth2", "dead", "tls"):
            for way in ("ok", "gone", "bad", "silent", "401", "../x", "cut"):
                with RudeClient(gateway.address) as client:
                    request = f"POST /{route}/{way}?key=mine HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\nbody"
                    if way == "ok":
                        request = f"GET /{route}/{way} HTTP/1.1\r\nHost: g\r\n\r\n"
                    client.send(request.encode())
                    if way == "cut":
                        said += repr(client.read_until_head()).encode()
                        continue
                    reply = client.read_response()
                    statuses.add(reply.status)
                    said += repr(reply.fields).encode() + reply.body
        pages = [gateway.admin(f"/-/{page}").text for page in ("ready", "upstreams", "version", "healthy")]
        gateway.file.write_text(gateway.file.read_text().replace("sk-planted-", "sk-planted\\u0007-") + "[lgo]\n")
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: "lgo" in gateway.stderr(), 5, "the refusal of the reload")
        pages.append(gateway.admin("/-/ready").text)

    assert statuses >= {200, 400, 401, 403, 413, 502, 504}
    assert SHOWN.findall(said.decode() + gateway.output() + "".join(pages)) == []
