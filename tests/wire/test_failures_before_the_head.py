"""What goes wrong before the head went out is told: status, problem document, Proxy-Status, exchange id, log line."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.gateway_process import Gateway, toml_table
from support.ports import free_port
from support.rude_client import RawResponse, RudeClient
from support.scripted_upstream import Script, ScriptedUpstream, close, read_head, reset

ANSWERS: dict[str, tuple[Script, str]] = {
    "closed": ([read_head, close], "head_missing"),
    "reset": ([read_head, reset], "head_missing"),
    "half-a-head": ([read_head, b"HTTP/1.1 200 OK\r\nContent-Le"], "head_missing"),
    "garbage": ([read_head, b"SSH-2.0-OpenSSH_9.9\r\n\r\n"], "head_invalid"),
    "http-2": ([read_head, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), 0.1], "head_invalid"),
    "no-colon": ([read_head, b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"], "head_invalid"),
    "two-lengths": (
        [read_head, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
        "head_invalid",
    ),
    "endless-head": ([read_head, b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 2_000_000], "head_too_large"),
    "upgrade": ([read_head, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"], "upgrade_refused"),
}
PROXY_ERRORS = {
    "head_missing": "connection_terminated",
    "head_invalid": "http_protocol_error",
    "head_too_large": "http_response_header_section_size",
    "upgrade_refused": "http_upgrade_failed",
    "connect_refused": "connection_refused",
    "connect_failed": "destination_ip_unroutable",
    "dns_failed": "dns_error",
    "tls_failed": "tls_protocol_error",
    "tls_untrusted": "tls_certificate_error",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, tls_files: TlsFiles) -> Iterator[Gateway]:
    """A gateway with one route for each way to fail, named after it."""
    directory = tmp_path_factory.mktemp("broken")
    trusted = {"tls": {"ca": tls_files.ca}}
    with contextlib.ExitStack() as stack:

        def upstream(script: Script, tls: ssl.SSLContext | None = None) -> str:
            return stack.enter_context(ScriptedUpstream(script, tls=tls)).url

        plain = upstream([0.1])
        endpoints: dict[str, dict[str, object]] = {
            **{name: {"endpoints": [upstream(script)]} for name, (script, _) in ANSWERS.items()},
            "refused": {"endpoints": [f"http://127.0.0.1:{free_port()}"]},
            "no-socket": {"endpoints": [f"unix:{directory}/nobody.sock"]},
            "no-name": {"endpoints": ["http://no-such-host.invalid"]},
            "plain": {"endpoints": [plain.replace("http://127.0.0.1", "https://localhost")], **trusted},
            "no-certificate": {
                "endpoints": [upstream([read_head], ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))],
                **trusted,
            },
            "untrusted": {
                "endpoints": [upstream([read_head], tls_files.server_context())],
                "tls": {"ca": tls_files.other_ca},
            },
            "other-name": {
                "endpoints": [upstream([read_head], tls_files.server_context())],
                "tls": {"ca": tls_files.ca, "server_name": "example.com"},
            },
        }
        toml = "".join(toml_table(f"upstreams.{name}", values) for name, values in endpoints.items())
        for name in endpoints:
            toml += toml_table("[routes]", {"name": name, "path": f"/{name}/", "upstream": name})
        yield stack.enter_context(Gateway(toml, directory))


def ask(gateway: Gateway, name: str, *lines: str, method: str = "GET") -> RawResponse:
    with RudeClient(gateway.address) as client:
        client.send("\r\n".join([f"{method} /{name}/ HTTP/1.1", "Host: h", *lines, "", ""]).encode())
        return client.read_response(method=method)


CASES = {name: code for name, (_, code) in ANSWERS.items()} | {
    "refused": "connect_refused",
    "no-socket": "connect_failed",
    "no-name": "dns_failed",
    "plain": "tls_failed",
    "no-certificate": "tls_failed",
    "untrusted": "tls_untrusted",
    "other-name": "tls_untrusted",
}


@pytest.mark.parametrize(("name", "code"), CASES.items(), ids=CASES)
def test_failure_before_the_head_is_a_502_that_says_which(broken: Gateway, name: str, code: str) -> None:
    """Document, Proxy-Status and log line agree on what went wrong, and on the exchange's id."""
    response = ask(broken, name)
    assert (response.status, response.complete) == (502, True)
    assert response.first("content-type") == "application/problem+json"
    document = json.loads(response.body)
    assert (document["status"], document["code"]) == (502, code)
    assert document["type"].endswith(code) and document["title"] and document["detail"]
    assert f"error={PROXY_ERRORS[code]}" in (response.first("proxy-status") or "")
    assert document["exchange_id"] == response.first("x-request-id")
    line = broken.wait_for_line(lambda line: line["id"] == document["exchange_id"])
    assert (line["outcome"], line["failure"], line["side"]) == ("failed", code, "upstream")
    assert (line["status"], line["attempts"], line["route"]) == (502, 1, name)


def test_failure_is_told_as_text_where_text_is_asked_for(broken: Gateway) -> None:
    """One line for people, with code and id."""
    response = ask(broken, "refused", "Accept: text/plain")
    assert (response.status, response.first("content-type")) == (502, "text/plain; charset=utf-8")
    text = response.body.decode()
    assert "connect_refused" in text and str(response.first("x-request-id")) in text and text.count("\n") == 1


def test_failure_of_a_head_request_has_no_body(broken: Gateway) -> None:
    """HEAD gets the fields of the document and none of its octets; the connection stays in step."""
    with RudeClient(broken.address) as client:
        client.send(b"HEAD /refused/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.read_response(method="HEAD").status == 502
        client.get("/refused/")
        assert json.loads(client.read_response().body)["code"] == "connect_refused"


def test_gateways_own_502_can_be_told_from_the_upstreams(tmp_path: Path) -> None:
    """A 502 that the upstream said passes untouched and is no failure of the exchange."""
    said = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry"
    with ScriptedUpstream([read_head, said]) as upstream:
        toml = toml_table("upstreams.up", {"endpoints": [upstream.url]})
        toml += toml_table("[routes]", {"name": "r", "path": "/", "upstream": "up"})
        with Gateway(toml, tmp_path / "g") as gateway:
            response = ask(gateway, "x")
            line = gateway.wait_for_line()
    assert (response.status, response.body, response.first("proxy-status")) == (502, b"sorry", None)
    assert (line["outcome"], line["failure"], line["status"]) == ("complete", None, 502)
