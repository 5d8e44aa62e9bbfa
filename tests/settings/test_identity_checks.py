"""What `gateway check` says about settings that need to know who asks, on routes that ask nobody."""

import pytest

from gateway.assemble import read_text

BEARER = "credentials = { bearer = 'sk-hidden' }"
BY_PRINCIPAL = "credentials = { by_principal = { a = { bearer = 'sk-hidden' } } }"
KEYS = "auth = { any = ['keys'] }"
ANYBODY = "auth = { any = ['anonymous'] }"
EVERYWHERE = "listen = '0.0.0.0:8080'"
USER = "request_headers = { set = { X-User = 'u={principal}' } }"


def told(
    route: str = "",
    *,
    server: str = "listen = '127.0.0.1:8080'",
    upstream: str = "",
    defaults: str = "",
    also: str = "",
) -> list[str]:
    """Return the warnings about a file with these lines in its tables; ``also`` is a second route's."""
    text = f"""
        [server]
        {server}
        [callers.keys.a]
        sha256 = "{"0" * 64}"
        [defaults]
        {defaults}
        [upstreams.up]
        endpoints = ["http://127.0.0.1:9"]
        {upstream}
        [[routes]]
        name = "r"
        path = "/"
        upstream = "up"
        {route}
        [[routes]]
        name = "other"
        path = "/other"
        upstream = "up"
        {also or KEYS}
        """
    told = (f"{each.path}: {each.message}" for each in read_text(text, "x")[2])
    return [each for each in told if not each.startswith("callers.")]


@pytest.mark.parametrize(
    "lines",
    [
        {"upstream": BEARER},
        {"upstream": BEARER, "server": "listen = 'unix:/run/gateway.sock'"},
        {"upstream": BEARER, "server": EVERYWHERE, "route": KEYS},
        {"upstream": BEARER, "server": EVERYWHERE, "route": ANYBODY},
        {"upstream": BEARER, "server": EVERYWHERE, "defaults": KEYS},
        {"upstream": BEARER, "server": EVERYWHERE, "route": "addresses = { allow = ['10.0.0.0/8'] }"},
        {"upstream": BEARER, "server": f"{EVERYWHERE}\naddresses = {{ allow = ['10.0.0.0/8'] }}"},
        {"server": EVERYWHERE},
        {"route": f"{BY_PRINCIPAL}\n{KEYS}"},
        {"route": f"{USER}\n{KEYS}"},
        {"defaults": USER},
        {"route": "request_headers = { set = { X-Team = '{header:X-Team}' } }"},
    ],
)
def test_what_is_asked_or_kept_in_needs_no_word(lines: dict[str, str]) -> None:
    """Callers that are asked, clients of this machine, a route that says that anybody may, lists of addresses."""
    assert told(**lines) == []


@pytest.mark.parametrize(
    "lines",
    [
        {"upstream": BEARER},
        {"route": BEARER},
        {"upstream": BEARER, "server": "listen = ['127.0.0.1:8080', '[::]:8082']"},
    ],
)
def test_credentials_that_are_lent_to_all_are_told(lines: dict[str, str]) -> None:
    """Whoever reaches the listener would spend them."""
    (problem,) = told(**{"server": EVERYWHERE, **lines})
    assert problem.startswith("routes.r: whoever can connect, and that is not only this machine, uses the gateway's")


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ({"route": BY_PRINCIPAL}, "routes.r.credentials.by_principal"),
        ({"upstream": BY_PRINCIPAL}, "upstreams.up.credentials.by_principal"),
        ({"upstream": BY_PRINCIPAL, "route": ANYBODY}, "upstreams.up.credentials.by_principal"),
    ],
)
def test_credentials_of_callers_that_nobody_asks_are_told(lines: dict[str, str], where: str) -> None:
    """All of them would be refused."""
    assert told(**lines) == [f"{where}: cannot act: routes.r asks nobody who they are, all are refused"]


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ({"route": USER}, "routes.r.request_headers.set.X-User"),
        ({"defaults": USER, "also": ANYBODY}, "defaults.request_headers.set.X-User"),
    ],
)
def test_value_that_speaks_of_nobody_is_told(lines: dict[str, str], where: str) -> None:
    """Once, at the place where it stands."""
    assert told(**lines) == [f"{where}: cannot act: nobody is asked who they are, {{principal}} says nothing"]
