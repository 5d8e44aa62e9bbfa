"""The admin side with all that it has: who may have what, over TLS too, and that nothing is open by being new."""

import re
from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to, toml_table
from support.rude_client import RudeClient
from support.scripted_upstream import for_each_request, response

from gateway.app import Applications
from gateway.assemble import read_text
from gateway.observe.line import LineLog

STORE = toml_table("store", {"url": "sqlite:///var/exchanges.db", "flush": "50ms"})
TOKENS = [
    {"name": "reader", "token": "sk-read-" + "r" * 32},
    {"name": "controller", "token": "sk-control-" + "c" * 32, "rights": ["control"]},
]
EXPORTS = ("/-/exchanges.csv", "/-/exchanges.ndjson", "/-/exchanges.json")
PLAIN = {"X-Requested-With": "test"}
OPEN = {"/-/healthy", "/-/ready"}


def shows(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[number]['token']}", **PLAIN}


def rows(running: Gateway) -> int:
    answer = running.admin("/-/exchanges.ndjson", headers=shows(0))
    return len(answer.text.splitlines()) if answer.status == 200 else 0


def test_exports_stream_over_tls_to_who_may_read_and_to_nobody_else(
    tmp_path: Path, tls_files: TlsFiles, scripted_upstream: StartUpstream
) -> None:
    """With the fields that keep a browser from doing anything with them."""
    toml = route_to(scripted_upstream(for_each_request(response(b"ok"))).url) + STORE
    tls = {"certificate": tls_files.certificate, "key": tls_files.key}
    running = Gateway(toml, tmp_path / "tls", admin={"tokens": TOKENS, "tls": tls})
    running.admin_context = tls_files.client_context()
    with running:
        with RudeClient(running.address) as client:
            client.get("/whole").read_response()
        wait_until(lambda: rows(running) == 1, 5, "the row of the exchange")
        for path in (*EXPORTS, "/-/store"):
            answer = running.admin(path, headers=shows(0))
            assert answer.status == 200, path
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert running.admin(path).status == 401
            assert running.admin(path, headers=shows(1)).status == 403
            assert running.admin(path, "POST", shows(0)).status == 403


def test_every_page_there_is_asks_for_the_right_to_it(gateway: StartGateway) -> None:
    """Also one that was added and that nobody told the guard about; what there is not is not told either."""
    plan = read_text(route_to("http://127.0.0.1:9"), "x")[1]
    rules = list(
        Applications(plan, LineLog("json", __import__("logging").getLogger("nowhere"))).admin.url_map.iter_rules()
    )
    running = gateway(route_to("http://127.0.0.1:9") + STORE, admin={"tokens": TOKENS})
    asked = set()
    for rule in rules:
        path = re.sub("<any[^>]*>", "csv", rule.rule)
        path = re.sub("<[^>]*>", "x", path)
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            asked.add((method, path))
            expected = {200} if path in OPEN and method in ("GET", "HEAD") else {401}
            assert {running.admin(path, method, PLAIN).status} == expected, (method, path)
            if method not in ("GET", "HEAD"):
                assert running.admin(path, method, shows(0)).status == 403, (method, path)
            elif path not in OPEN:
                assert running.admin(path, method, shows(1)).status == 403, (method, path)
    assert len(asked) > 12
    assert running.admin("/-/not-there").status == 401
    assert running.admin("//-/exchanges.csv").status == 401
    assert running.admin("/-/healthy/../store").status == 401


@pytest.mark.parametrize("path", EXPORTS)
def test_no_page_of_another_origin_gets_an_export(gateway: StartGateway, path: str) -> None:
    """Neither by a script nor by a name turned to this machine, although nobody is asked for a token there."""
    running = gateway(route_to("http://127.0.0.1:9") + STORE)
    assert running.admin(path, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert running.admin(path, headers={"Origin": "https://evil.example"}).status == 403
    assert running.admin(path, headers={"Host": "evil.example"}).status == 421
