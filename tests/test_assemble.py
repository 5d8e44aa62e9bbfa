"""Settings become compiled values; what does not fit together is told with everything else."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from support.certificates import TlsFiles, make_tls_files

from gateway.assemble import assemble, read, read_text
from gateway.config.problem import ConfigError, Severity
from gateway.exchange.route import Forwarding, Timeouts, TlsToUpstream
from gateway.exchange.target import Endpoint
from gateway.policy.routing import RouteTable
from gateway.settings import Settings

ROOT = Path(__file__).parents[1]

UPSTREAM = '[upstreams.a]\nendpoints = ["http://127.0.0.1:9000"]\n'


def test_the_example_compiles_without_a_warning() -> None:
    """`gateway.toml` serves the demo upstream under /demo/."""
    settings, plan, warnings = read(ROOT / "gateway.toml")
    route = RouteTable(plan.routes).routes[0]

    assert (settings.server.listen, settings.admin.listen, settings.log.format) == (
        ("127.0.0.1:8080",),
        "127.0.0.1:8081",
        "text",
    )
    assert (route.name, route.path, route.strip_prefix) == ("demo", "/demo/", "/demo")
    assert plan.upstreams["demo"].endpoints == (Endpoint("http", "127.0.0.1", 9000, "", "127.0.0.1:9000"),)
    assert route.upstream is plan.upstreams["demo"]
    assert warnings == ()


def test_every_setting_of_a_route_is_compiled(tmp_path: Path) -> None:
    """Nothing that the file says is lost on the way."""
    text = """
    [forwarding]
    trusted_peers = ["10.0.0.0/8", "::1", "unix"]
    via = "off"
    forwarded = false
    x_forwarded = false
    request_id_header = "X-Id"

    [server]
    listen = "unix:/run/a.sock"

    [upstreams.a]
    endpoints = ["https://a.example.com/base/", "unix:/run/b.sock"]
    keep_host = true
    keepalive = "0s"
    max_idle_connections = 3
    tls = { server_name = "B.example.com", verify = false }

    [[routes]]
    path = "/api/v1/"
    host = "A.example.com."
    methods = ["GET", "PURGE"]
    headers = { X-Team = "search", X-Beta = true }
    upstream = "a"
    strip_prefix = "/api"
    rewrite = "/internal"
    """
    _, plan, _ = read_text(text, "x", directory=tmp_path)
    route, upstream = plan.routes[0], plan.upstreams["a"]

    assert plan.forwarding == Forwarding(
        (ip_network("10.0.0.0/8"), ip_network("::1")), True, None, False, False, "X-Id"
    )
    assert route.forwarding is plan.forwarding
    assert upstream.endpoints[0] == Endpoint("https", "a.example.com", 443, "/base", "a.example.com")
    assert (upstream.endpoints[1].unix, upstream.endpoints[1].host) == (True, "/run/b.sock")
    assert (upstream.keep_host, upstream.keepalive_seconds, upstream.max_idle_connections) == (True, 0, 3)
    assert upstream.tls == TlsToUpstream(verify=False, server_name="b.example.com")
    assert (route.name, route.hosts, route.methods) == ("api-v1", ("a.example.com",), frozenset({"GET", "PURGE"}))
    assert route.headers == (("x-team", "search"), ("x-beta", None))
    assert (route.strip_prefix, route.rewrite) == ("/api", "/internal")


def test_policies_inherit_from_the_upstream_and_the_defaults() -> None:
    """The nearest table that says a key wins it."""
    text = """
    [defaults]
    timeouts = { idle = "1s", total = "10m", write = "off" }
    limits = { max_request_body = "1MiB" }
    [upstreams.a]
    endpoints = ["http://127.0.0.1:9000"]
    timeouts = { idle = "2s", first_byte = "9s" }
    [upstreams.b]
    endpoints = ["http://127.0.0.1:9001"]
    limits = { max_request_body = "off" }
    [[routes]]
    path = "/a"
    upstream = "a"
    timeouts = { idle = "3s", total = "off" }
    [[routes]]
    path = "/b"
    upstream = "b"
    """
    _, plan, _ = read_text(text, "x")
    first, second = plan.routes

    assert first.timeouts == Timeouts(connect=5, first_byte=9, idle=3, total=None, write=None, upload=60)
    assert second.timeouts == Timeouts(connect=5, first_byte=60, idle=1, total=600, write=None, upload=60)
    assert (first.max_request_body, second.max_request_body) == (2**20, None)


def test_routes_without_a_name_get_one_each() -> None:
    """Made from the path, numbered where it is taken; a given name is never changed."""
    routes = [
        ("/", "", None), ("/v1/chat", 'methods = ["GET"]', None), ("/v1/chat", "", None), ("/v1-chat", "", None),
        ("/x", "", "v1-chat-3"), ("/a%2Fb/", "", None),
    ]  # fmt: skip
    text = UPSTREAM
    for path, more, name in routes:
        named = f'name = "{name}"\n' if name else ""
        text += f'[[routes]]\npath = "{path}"\nupstream = "a"\n{more}\n{named}'

    _, plan, _ = read_text(text, "x")

    assert [route.name for route in plan.routes] == [
        "root", "v1-chat", "v1-chat-2", "v1-chat-4", "v1-chat-3", "a-2Fb"
    ]  # fmt: skip


def test_a_name_is_not_made_from_a_path_that_came_from_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names stand in every line of the log."""
    monkeypatch.setenv("SLOWGATE_TEST_SECRET", "hook-4711")
    text = UPSTREAM + '[[routes]]\npath = "/${env:SLOWGATE_TEST_SECRET}/"\nupstream = "a"\n'

    assert [route.name for route in read_text(text, "x")[1].routes] == ["route"]


def test_everything_that_a_reading_looked_at_is_known(tmp_path: Path) -> None:
    """Whoever watches the files learns of them also when the configuration is bad."""
    (tmp_path / "url").write_text("http://127.0.0.1:9\n")
    (tmp_path / "more.toml").write_text('[upstreams.a]\nendpoints = ["${file:url}"]\ntls.ca = "ca.pem"\n')
    (tmp_path / "gateway.toml").write_text('include = ["more.toml", "routes.d/*.toml"]\n')
    files: set[str] = set()

    with pytest.raises(ConfigError):
        read(tmp_path / "gateway.toml", files=files)

    assert files == {str(tmp_path / name) for name in ("gateway.toml", "more.toml", "url", "ca.pem", "routes.d")}


def test_each_reading_sees_what_is_there_now(tmp_path: Path) -> None:
    """Included files and secrets are looked up again each time."""
    (tmp_path / "url").write_text("http://127.0.0.1:9\n")
    (tmp_path / "more.toml").write_text('[upstreams.a]\nendpoints = ["${file:url}"]\n')
    (tmp_path / "gateway.toml").write_text('include = "more.toml"\n[[routes]]\npath = "/"\nupstream = "a"\n')
    first = read(tmp_path / "gateway.toml")[1]
    (tmp_path / "url").write_text("http://127.0.0.1:10\n")
    second = read(tmp_path / "gateway.toml")[1]

    assert [plan.upstreams["a"].endpoints[0].port for plan in (first, second)] == [9, 10]


def test_different_matches_on_one_path_are_fine() -> None:
    """Host, method and field tell routes apart."""
    more = [
        "",
        'host = "a.com"',
        'host = "*.a.com"',
        'methods = ["GET"]',
        'headers = { A = "1" }',
        "headers = { A = true }",
    ]
    text = UPSTREAM + "".join(f'[[routes]]\npath = "/"\nupstream = "a"\n{each}\n' for each in more)

    assert read_text(text, "x")[2] == ()


def test_warnings_come_with_a_usable_plan() -> None:
    """They do not keep the gateway from starting."""
    text = UPSTREAM + '[upstreams.b]\nendpoints = ["http://127.0.0.1:1"]\n[[routes]]\npath = "/"\nupstream = "a"\n'
    _, plan, warnings = read_text(text, "x")

    assert [str(warning.severity.value) + " " + warning.headline() for warning in warnings] == [
        "warning x:3:12: warning: upstreams.b: no route uses it"
    ]
    assert set(plan.upstreams) == {"a", "b"}


def test_settings_made_by_a_program_are_checked_too() -> None:
    """They have no file, and their problems no line."""
    settings = Settings.model_validate({"routes": ({"path": "/", "upstream": "a"},)})

    with pytest.raises(ConfigError) as raised:
        assemble(settings)

    assert [(each.path, each.line, each.severity) for each in raised.value.problems] == [
        ("routes[0].upstream", 0, Severity.ERROR)
    ]


def test_settings_made_by_a_program_compile() -> None:
    """One upstream and one route are enough."""
    settings = Settings.model_validate(
        {"upstreams": {"a": {"endpoints": ("http://127.0.0.1:1",)}}, "routes": ({"path": "/", "upstream": "a"},)}
    )

    assert [route.name for route in assemble(settings).routes] == ["root"]


def test_the_other_checks_run_beside_a_wrong_value() -> None:
    """One mistyped value does not hide a misspelt upstream or a doubled route, and their lines are right."""
    text = (
        UPSTREAM + '[[routes]]\npath = 1\nupstream = "a"\n'
        '[[routes]]\npath = "/x"\nupstream = "b"\n[[routes]]\npath = "/x"\nupstream = "a"\n'
    )
    with pytest.raises(ConfigError) as raised:
        read_text(text, "x")

    assert [(each.path, each.line) for each in raised.value.problems] == [
        ("routes[0].path", 4),
        ("routes[1].upstream", 8),
        ("routes[2].path", 10),
    ]


def tls_text(certificate: Path, key: Path | str, more: str = "") -> str:
    """Return a configuration whose listener has TLS."""
    table = f"[server.tls]\ncertificate = '{certificate}'\nkey = '''{key}'''\n{more}\n"
    return f'{table}{UPSTREAM}[[routes]]\npath = "/"\nupstream = "a"\n'


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """Return an authority's files, the keys readable by their owner only."""
    files = make_tls_files(tmp_path_factory.mktemp("tls"))
    files.key.chmod(0o600)
    return files


def headlines(text: str) -> list[str]:
    """Return all that is told about ``text``, errors or warnings."""
    try:
        problems = read_text(text, "x")[2]
    except ConfigError as error:
        problems = error.problems
    return [f"{each.path}: {each.words()}" for each in problems]


def test_a_key_is_accepted_as_a_file_and_as_text(tls_files: TlsFiles) -> None:
    """It may be named, or come from a reference; it is never shown."""
    by_name = read_text(tls_text(tls_files.certificate, tls_files.key), "x")
    as_text = read_text(tls_text(tls_files.certificate, tls_files.key.read_text()), "x")

    assert by_name[2] == as_text[2] == ()
    assert "PRIVATE KEY" not in repr(as_text[0])


def test_a_key_of_another_certificate_is_an_error(tls_files: TlsFiles) -> None:
    """It is told when the settings are read, not at the first client."""
    assert headlines(tls_text(tls_files.certificate, tls_files.client_certificate)) == [
        "server.tls.certificate: the key is not the one of this certificate"
    ]


def test_a_key_that_every_user_can_read_is_a_warning(tls_files: TlsFiles, tmp_path: Path) -> None:
    """A private key is its owner's business."""
    key = tmp_path / "key"
    key.write_text(tls_files.key.read_text())
    key.chmod(0o644)

    assert headlines(tls_text(tls_files.certificate, key)) == [
        "server.tls.key: every user of this machine can read this file; let only its owner and group read it"
    ]


def test_a_file_without_certificates_is_no_authority(tls_files: TlsFiles) -> None:
    """A key in the place of a bundle is told for listeners and for upstreams."""
    text = tls_text(tls_files.certificate, tls_files.key, f"client_ca = '{tls_files.key}'")
    text += f"[upstreams.s]\nendpoints = ['https://a.example.com']\ntls.ca = '{tls_files.key}'\n"
    text += "[[routes]]\npath = '/s'\nupstream = 's'\n"

    assert headlines(text) == [
        "server.tls.client_ca: no certificates in PEM format",
        "upstreams.s.tls.ca: no certificates in PEM format",
    ]


def test_authorities_without_verifying_are_a_warning(tls_files: TlsFiles) -> None:
    """Settings that cannot act say so."""
    text = f"[upstreams.s]\nendpoints = ['https://a.example.com']\ntls = {{ ca = '{tls_files.ca}', verify = false }}\n"

    assert headlines(text + "[[routes]]\npath = '/'\nupstream = 's'\n") == [
        "upstreams.s.tls.ca: cannot act: verify = false lets every certificate pass"
    ]


def test_each_of_a_thousand_routes_is_read_and_so_is_a_problem_in_each() -> None:
    """Nothing is left out where there is much of it; what it costs tests/bench/config_speed.py measures."""
    text = "".join(
        f'[upstreams.u{n}]\nendpoints = ["http://127.0.0.1:9000/{n}"]\ntimeouts = {{ idle = "30s" }}\n'
        f'[[routes]]\npath = "/r{n}/"\nupstream = "u{n}"\nstrip_prefix = "/r{n}"\nmethods = ["GET", "POST"]\n'
        for n in range(1000)
    )
    plan = read_text(text, "x")[1]
    with pytest.raises(ConfigError) as raised:
        read_text(text.replace("strip_prefix", "strip_prefx"), "x")
    assert (len(plan.routes), len(raised.value.problems)) == (1000, 1000)


def test_other_certificate_or_key_makes_another_upstream(tmp_path: Path, tls_files: TlsFiles) -> None:
    """A reload that finds them in the same files, or the key as another text, makes new connections."""
    pem = tls_files.client_certificate.read_text()
    key, chain = pem[: pem.index("-----BEGIN CERT")], pem[pem.index("-----BEGIN CERT") :]

    def tls(certificate: str, key: str, *, as_text: bool = False) -> TlsToUpstream:
        (tmp_path / "cert.pem").write_text(certificate)
        (tmp_path / "key.pem").write_text(key)
        shown = f"'''{key}'''" if as_text else "'key.pem'"
        text = (
            f"[upstreams.up]\nendpoints = ['https://a.example']\ntls = {{ certificate = 'cert.pem', key = {shown} }}\n"
        )
        text += "[[routes]]\npath = '/'\nupstream = 'up'\n"
        return read_text(text, "test", directory=tmp_path)[1].upstreams["up"].tls

    assert tls(chain, key) == tls(chain, key)
    different = [tls(chain, key), tls(f"{chain}\n", key), tls(chain, f"{key}\n"), tls(chain, key, as_text=True)]
    assert all(one != other for at, one in enumerate(different) for other in different[:at])
