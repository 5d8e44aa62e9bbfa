"""``connect`` ends an attempt that gets no connection, be it TCP or TLS that does not come about."""

import contextlib
import json
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, toml_table
from support.kernel import attempts_at, blackhole
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, hang


@pytest.mark.parametrize("deaf", ["tcp", "tls"])
def test_endpoint_that_does_not_connect_in_time_is_504(deaf: str, tmp_path: Path, tls_files: TlsFiles) -> None:
    """Client and log line learn that it was the connecting; the attempt is given up, its socket closed."""
    with contextlib.ExitStack() as stack:
        if deaf == "tcp":
            port = stack.enter_context(blackhole())
            endpoint = f"http://127.0.0.1:{port}"
        else:
            port = stack.enter_context(ScriptedUpstream(hang)).port
            endpoint = f"https://localhost:{port}"
        tried = attempts_at(port)
        toml = toml_table(
            "upstreams.up",
            {"endpoints": [endpoint], "timeouts": {"connect": "400ms"}, "tls": {"ca": tls_files.ca}},
        ) + toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up"})
        gateway = stack.enter_context(Gateway(toml, tmp_path / "g"))
        client = stack.enter_context(RudeClient(gateway.address))
        response = client.get("/").read_response()
        assert (response.status, json.loads(response.body)["code"]) == (504, "connect_timeout")
        assert "error=connection_timeout" in (response.first("proxy-status") or "")
        line = gateway.wait_for_line()
        assert (line["failure"], line["outcome"], line["status"]) == ("connect_timeout", "failed", 504)
        assert 400 <= line["total_ms"] < 1000 * patience(0.9)
        wait_until(lambda: attempts_at(port) == tried, 1, "the end of the attempt")
        assert gateway.open_upstream_connections(port) == 0
