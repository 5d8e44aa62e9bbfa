"""The admin listener over real sockets: who gets what, what control does, and that nothing else reaches it."""

import hashlib
import http.client
import os
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.certificates import TlsFiles, make_tls_files
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_upstream import response

READER, OPERATOR = "reader-" + "4711" * 8, "operator-" + "4712" * 8
JSON = {"Content-Type": "application/json"}
TOKENS = [
    {"name": "reader", "sha256": hashlib.sha256(READER.encode()).hexdigest()},
    {"name": "operator", "token": "${env:OPERATOR}", "rights": ["read", "control"]},
]


def shows(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def guarded(gateway: StartGateway, url: str, **admin: object) -> Gateway:
    """Start a gateway with two tokens."""
    return gateway(route_to(url), admin={"tokens": TOKENS, **admin}, environment={"OPERATOR": OPERATOR})


def told_by(running: Gateway, *command: str, token: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command on the gateway's file."""
    environment = {**os.environ, "OPERATOR": OPERATOR, "GATEWAY_ADMIN_TOKEN": token}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *command, "-c", str(running.file)],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_without_a_token_only_one_word_of_health_is_told(gateway: StartGateway) -> None:
    """Orchestrators see whether it is ready; nobody sees what runs, from the first start on."""
    running = guarded(gateway, "http://127.0.0.1:9")
    ready, healthy = running.admin("/-/ready"), running.admin("/-/healthy", headers={"Host": "pod.example.com"})

    assert (ready.status, ready.json()) == (200, {"ready": True})
    assert (healthy.status, healthy.json()) == (200, {"healthy": True})
    for page in ("/-/version", "/-/upstreams", "/-/streams", "/-/none"):
        refused = running.admin(page, headers=shows("wrong" * 8))
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="slowgate admin"')
    assert running.admin("/-/reload", "POST", JSON).status == 401
    assert running.stderr().count("the admin listener refused 127.0.0.1 (401): the token is not known") == 1
    assert "wrong" not in running.output()


def test_a_token_that_may_read_cannot_control(gateway: StartGateway) -> None:
    """Monitoring sees all, and ends nothing."""
    running = guarded(gateway, "http://127.0.0.1:9")
    reader = shows(READER)

    assert running.admin("/-/ready", headers=reader).json()["configuration"]["offered"] == 1
    assert running.admin("/-/streams", headers=reader).json()["streams"] == []
    assert running.admin("/-/reload", "POST", reader).status == 403
    assert running.admin("/-/streams/x", "DELETE", reader).status == 403
    assert running.admin("/-/streams?route=all", "DELETE", reader).status == 403
    assert running.admin("/-/streams/x", "DELETE", shows(OPERATOR)).status == 404


def test_a_web_page_can_do_nothing_on_a_loopback_listener_that_asks_nobody(gateway: StartGateway) -> None:
    """A turned name, a form, a foreign origin: all are refused; a person with curl is not."""
    running = gateway(route_to("http://127.0.0.1:9"))

    assert running.admin("/-/version", headers={"Host": "evil.example.com"}).status == 421
    assert running.admin("/-/version", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert running.admin("/-/reload", "POST", {"Content-Type": "text/plain"}).status == 403
    assert running.admin("/-/reload", "POST", JSON | {"Origin": "http://evil.example.com"}).status == 403
    assert running.admin("/-/ready").json()["configuration"]["offered"] == 1
    reply = running.admin("/-/reload", "POST", JSON)
    assert (reply.status, reply.json()["configuration"]) == (200, {"offered": 2, "rejected": None})
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_reload_by_http_tells_what_came_of_it(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """Adopted, or refused with the number of problems, and the configuration before stays."""
    upstream = scripted_upstream(response(b"ok"))
    running = guarded(gateway, upstream.url)
    running.write(route_to(upstream.url, path="/after/"))
    adopted = running.admin("/-/reload", "POST", shows(OPERATOR))
    with RudeClient(running.address) as client:
        assert client.get("/after/").read_response().status == 200
    running.file.write_text(running.file.read_text() + "\n[nonsense]\n")
    refused = running.admin("/-/reload", "POST", shows(OPERATOR))

    assert (adopted.status, adopted.json()["adopted"]) == (200, True)
    assert (refused.status, refused.json()["adopted"]) == (422, False)
    assert refused.json()["configuration"]["rejected"].endswith(", see the log")
    assert "operator asks for a reload" in running.stderr()


def test_a_token_that_was_taken_away_by_a_reload_holds_no_more(gateway: StartGateway) -> None:
    """Who left the company is out without a restart."""
    running = guarded(gateway, "http://127.0.0.1:9")
    assert running.admin("/-/version", headers=shows(READER)).status == 200
    running.file.write_text(running.file.read_text().replace('"name" = "reader"', '"name" = "newcomer"', 1))
    text = running.file.read_text().replace(str(TOKENS[0]["sha256"]), "0" * 64)
    running.file.write_text(text)
    assert running.admin("/-/reload", "POST", shows(OPERATOR)).status == 200

    assert running.admin("/-/version", headers=shows(READER)).status == 401


def test_a_cancelled_stream_looks_cut_and_is_recorded_as_such(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """The client sees an aborted message, the upstream's connection ends, and the line says who ended it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    upstream = scripted_upstream([lambda connection: connection.read_head(), head + b"begun", lambda c: c.hang()])
    running = guarded(gateway, upstream.url)
    with RudeClient(running.address) as client:
        client.get("/long?key=sk-4711").read_until_head()
        listed = running.admin("/-/streams", headers=shows(READER)).json()
        (stream,) = listed["streams"]
        done = running.admin(f"/-/streams/{stream['id']}", "DELETE", shows(OPERATOR))
        assert (done.status, done.json()["cancelled"]) == (200, 1)
        assert client.wait_closed() in ("eof", "reset")

    assert (stream["target"], stream["phase"], stream["route"]) == ("/long?key=***", "relay", "all")
    line = running.wait_for_line(lambda line: line["id"] == stream["id"])
    assert (line["outcome"], line["failure"], line["side"]) == ("cancelled", "cancelled", "gateway")
    wait_until(lambda: upstream.open_connections == 0, 2, "the end of the upstream's connection")
    assert running.admin("/-/streams", headers=shows(READER)).json()["total"] == 0


def test_an_exchange_cancelled_before_its_head_is_answered_with_503(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """Nothing was committed yet, so the client is told."""
    upstream = scripted_upstream([lambda connection: connection.read_head(), lambda c: c.hang()])
    running = gateway(route_to(upstream.url))
    with RudeClient(running.address) as client:
        client.get("/slow")
        (stream,) = wait_until(lambda: running.admin("/-/streams").json()["streams"], 5, "the exchange")
        assert running.admin(f"/-/streams/{stream['id']}", "DELETE", JSON).status == 200
        answer = client.read_response()

    assert (answer.status, b'"cancelled"' in answer.body) == (503, True)


def test_gateway_reload_shows_a_token(gateway: StartGateway) -> None:
    """That of the file, or the one it is given; without one it says what is missing."""
    running = guarded(gateway, "http://127.0.0.1:9")
    assert told_by(running, "reload").returncode == 0
    text = running.file.read_text()
    running.file.write_text(text.replace('"token" = "${env:OPERATOR}"', f'"sha256" = "{"1" * 64}"'))
    without, given = told_by(running, "reload"), told_by(running, "reload", token=READER)

    assert (without.returncode, given.returncode) == (1, 0), (without.stderr, given.stderr)
    assert "wants a token that may read: put one into GATEWAY_ADMIN_TOKEN" in without.stderr


def test_with_tls_a_token_travels_encrypted_and_reload_trusts_only_the_listeners_certificate(
    gateway: StartGateway, tls_files: TlsFiles, tmp_path: Path
) -> None:
    """The command finds the running gateway without any authority being told to it."""
    tls = {"certificate": tls_files.certificate, "key": tls_files.key}
    running = Gateway(
        route_to("http://127.0.0.1:9"),
        tmp_path / "tls",
        admin={"tokens": TOKENS, "tls": tls},
        environment={"OPERATOR": OPERATOR},
    )
    running.admin_context = tls_files.client_context()
    with running:
        assert running.admin("/-/version", headers=shows(READER)).status == 200
        done = told_by(running, "reload")
        assert done.returncode == 0, done.stderr
        running.admin_context = None
        with pytest.raises((http.client.BadStatusLine, ConnectionError)):
            running.admin("/-/healthy")
        running.admin_context = tls_files.client_context()


def test_a_client_certificate_may_read_and_a_named_one_control(tls_files: TlsFiles, tmp_path: Path) -> None:
    """Without a certificate of the authority there is no connection at all."""
    tls = {"certificate": tls_files.certificate, "key": tls_files.key, "client_ca": tls_files.ca}
    for control, expected in (([], 403), (["client@example.test"], 200)):
        running = Gateway(
            route_to("http://127.0.0.1:9"), tmp_path / str(expected), admin={"tls": {**tls, "control": control}}
        )
        running.admin_context = tls_files.client_context()
        running.admin_context.load_cert_chain(tls_files.client_certificate)
        with running:
            assert running.admin("/-/version").status == 200
            assert running.admin("/-/reload", "POST", JSON).status == expected
            assert "asks for a client certificate" in told_by(running, "reload").stderr
            running.admin_context = tls_files.client_context()
            with pytest.raises((ssl.SSLError, ConnectionError)):
                running.admin("/-/healthy")


def test_beyond_loopback_it_refuses_to_start_unless_it_asks_who_comes(tmp_path: Path, tls_files: TlsFiles) -> None:
    """Neither `serve` nor `proxy` opens the admin side to other machines by mistake."""
    everywhere = {"listen": f"[::]:{free_port()}"}
    running = Gateway(route_to("http://127.0.0.1:9"), tmp_path, admin=everywhere)
    served = told_by(running, "serve")
    proxied = subprocess.run(
        [sys.executable, "-m", "gateway", "proxy", "--to", "http://127.0.0.1:9", "--admin", everywhere["listen"]],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (served.returncode, proxied.returncode) == (78, 1)
    for refused in (served, proxied):
        assert "would ask nobody who they are" in refused.stderr

    tls_files.key.chmod(0o600)
    tls = {"certificate": tls_files.certificate, "key": tls_files.key}
    asking = [{"tokens": TOKENS, "tls": tls}, {"tls": {**tls, "client_ca": tls_files.ca}}]
    for admin in asking:
        checked = told_by(
            Gateway(route_to("http://127.0.0.1:9"), tmp_path, admin=everywhere | admin), "check", "--strict"
        )
        assert checked.returncode == 0, checked.stderr


def test_nothing_of_the_admin_side_is_on_the_data_port(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """Its paths are ordinary paths there."""
    upstream = scripted_upstream(response(b"theirs"))
    running = guarded(gateway, upstream.url)
    with RudeClient(running.address) as client:
        assert client.get("/-/version").read_response().body == b"theirs"


def test_a_unix_socket_of_the_admin_side_is_for_its_owner_and_group(tmp_path: Path) -> None:
    """Other users of the machine cannot connect; whoever can needs no name and no token."""
    path = tmp_path / "admin.sock"
    running = Gateway(route_to("http://127.0.0.1:9"), tmp_path / "unix", admin={"listen": f"unix:{path}"})
    running.admin_socket = path
    with running:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert running.admin("/-/version", headers={"Host": "any.example.com"}).status == 200


def test_a_new_certificate_counts_from_the_next_connection_on(tmp_path: Path, tls_files: TlsFiles) -> None:
    """A reload takes over what a certificate manager has put into the same files."""
    own = make_tls_files(tmp_path)
    tls = {"certificate": own.certificate, "key": own.key}
    running = Gateway(route_to("http://127.0.0.1:9"), tmp_path / "gateway", admin={"tls": tls})
    running.admin_context = own.client_context()
    with running:
        shutil.copy(tls_files.certificate, own.certificate)
        shutil.copy(tls_files.key, own.key)
        assert running.admin("/-/reload", "POST", JSON).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            running.admin("/-/version")
        running.admin_context = tls_files.client_context()
        assert running.admin("/-/version").status == 200
