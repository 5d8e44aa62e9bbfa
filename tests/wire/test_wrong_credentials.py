"""Thousands of wrong keys, passwords and tokens through the real server: none lets anybody in, and nothing grows."""

import base64
import hashlib
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.callers import ISSUER, OTHER_RSA, RSA, a_set, a_token
from support.gateway_process import Gateway, route_to, toml_table
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, for_each_request, response

TRIES = 10_000
_AT_ONCE = 50
_MOST_GROWTH_OCTETS = 8 * 1024 * 1024


def guesses(right: str) -> Iterator[str]:
    """Yield field lines that are almost right, and ones that are anything."""
    token = a_token()
    head, body, signature = token.split(".")
    other = a_token(key=OTHER_RSA)
    for number in range(TRIES):
        random = secrets.token_urlsafe(24)
        at = number % len(right)
        changed = right[:at] + chr((ord(right[at]) - 33 + 1 + number % 93) % 94 + 33) + right[at + 1 :]
        forged = signature[: at * 3] + ("A" if signature[at * 3] != "A" else "B") + signature[at * 3 + 1 :]
        basic = base64.b64encode(f"bob:{random}".encode()).decode()
        yield (
            f"X-API-Key: {changed}",
            f"X-API-Key: {random}",
            f"Authorization: Bearer {random}",
            f"Authorization: Basic {basic}",
            f"Authorization: Bearer {head}.{body}.{forged}",
            f"Authorization: Bearer {other}",
            f"Authorization: Bearer {head}.{body}.",
            f"X-API-Key: {right[: at + 1] if at + 1 < len(right) else right + 'x'}",
        )[number % 8]


def resident_octets(gateway: Gateway) -> int:
    (worker,) = gateway.worker_pids()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def statuses(gateway: Gateway, lines: list[str]) -> Counter[int]:
    """Ask with each line, many of them on one connection before the first answer is read."""
    found = Counter[int]()
    with RudeClient(gateway.address) as client:
        for at in range(0, len(lines), _AT_ONCE):
            some = lines[at : at + _AT_ONCE]
            client.send("".join(f"GET / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n" for line in some).encode())
            found.update(client.read_response().status for _ in some)
    return found


@pytest.fixture
def upstream(scripted_upstream: StartUpstream) -> ScriptedUpstream:
    return scripted_upstream(for_each_request(response(b"ok")))


def test_ten_thousand_wrong_credentials_let_nobody_in(
    gateway: StartGateway, upstream: ScriptedUpstream, scripted_upstream: StartUpstream
) -> None:
    """Not one answer but 401, nothing at the upstream, no memory for what was tried; the right one still holds."""
    right = "sgk_" + secrets.token_urlsafe(32)
    issuer = scripted_upstream(for_each_request(response(a_set(RSA))))
    digest = {"sha256": hashlib.sha256(right.encode()).hexdigest()}
    login = {"issuer": ISSUER, "audience": "slowgate", "jwks": f"{issuer.url}/keys", "min_interval": "60s"}
    running = gateway(
        toml_table("callers.keys.app", digest)
        + toml_table("callers.users.bob", digest)
        + toml_table("callers.jwt.login", login)
        + route_to(upstream.url, auth={"any": ["keys", "basic", "jwt"]}, limits={"rates": [{"limit": "100k/s"}]}),
        log={"level": "error"},
    )
    lines = list(guesses(right))
    assert statuses(running, lines[:2000]) == {401: 2000}
    before = resident_octets(running)

    assert statuses(running, lines[2000:]) == {401: TRIES - 2000}

    assert upstream.requests == []
    assert len(issuer.requests) <= 2
    assert resident_octets(running) - before < _MOST_GROWTH_OCTETS
    good = [f"X-API-Key: {right}", f"Authorization: Bearer {right}", f"Authorization: Bearer {a_token()}"]
    assert statuses(running, good) == {200: 3}
