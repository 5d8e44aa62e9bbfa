"""Fixtures of the tests with real foreign parts, and the reasons why a part may be missing."""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser, Tab
from support.children import Program, plain_environment
from support.demo_process import DemoUpstream
from support.gateway_process import Gateway, in_own_directories, route_to, toml_table
from support.ports import free_port
from support.scripted_upstream import Script, ScriptedUpstream
from support.tap import Stage

_HERE = Path(__file__).parent

StartGateway = Callable[..., Gateway]
Listen = Callable[[str], Program | Tab]
ReadOctets = Callable[[str], tuple[str, bool]]
"""Returns the body at a URL, and whether the client reports success."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything below tests/foreign as ``foreign``."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.foreign)


@contextmanager
def faultless(toml: str, directory: Path, **options: Any) -> Iterator[Gateway]:
    """Run a gateway that, whatever its clients and upstreams do, meets no defect of its own."""
    with Gateway(toml, directory, **options) as gateway:
        yield gateway
    assert "Traceback" not in gateway.stderr(), gateway.stderr()


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed and could not be (`make foreign` tries)")
    return found


@pytest.fixture(scope="session")
def curl() -> str:
    """The path of curl."""
    return _program("curl")


@pytest.fixture(scope="session")
def nginx_program() -> str:
    """The path of nginx."""
    return _program("nginx")


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node."""
    return _program("node")


@pytest.fixture(scope="session")
def axios(node: str) -> str:
    """The path of a Node that finds Axios beside the scripts."""
    if not (_HERE / "node_modules/axios").is_dir():
        pytest.skip("the packages of tests/foreign/package-lock.json are not installed (`make foreign` tries)")
    return node


@pytest.fixture(scope="session")
def eventsource(node: str) -> str:
    """The path of a Node that finds the package `eventsource` beside the scripts."""
    if not (_HERE / "node_modules/eventsource").is_dir():
        pytest.skip("the packages of tests/foreign/package-lock.json are not installed (`make foreign` tries)")
    return node


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running browser whose pages run what is in in_page.mjs."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed (`make test` installs it)")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("chromium is not installed and could not be (`make foreign` tries)")
    with Browser(program, _HERE / "in_page.mjs") as running:
        yield running


@pytest.fixture(scope="session")
def httpbin_installed() -> None:
    """Skip where httpbin is missing: it is in tests/requirements.lock."""
    if importlib.util.find_spec("httpbin") is None:
        pytest.skip("httpbin is not installed (`make test` installs it)")


@pytest.fixture(scope="session")
def session_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartGateway]:
    """Start faultless gateways that live as long as the run: ``session_gateway(toml, server={...})``."""
    with ExitStack() as stack:
        yield lambda toml, **options: stack.enter_context(
            faultless(toml, tmp_path_factory.mktemp("gateway"), **options)
        )


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Start faultless gateways of a test's own: ``gateway(toml, server={...}, tls=...)``."""
    with in_own_directories(faultless, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def stage() -> Stage:
    """What the scripted upstream plays."""
    return Stage()


@pytest.fixture(scope="session")
def stage_upstream(stage: Stage) -> Iterator[ScriptedUpstream]:
    """A scripted upstream, one for all tests here; ``staged`` puts a script on."""
    with ScriptedUpstream(stage) as upstream:
        yield upstream


@pytest.fixture
def staged(stage: Stage, stage_upstream: ScriptedUpstream) -> Callable[[Script], ScriptedUpstream]:
    """Put a script on for the connections that come: ``staged(tap)``; return the upstream. It should not keep them."""

    def put_on(script: Script) -> ScriptedUpstream:
        stage.script = script
        return stage_upstream

    return put_on


@pytest.fixture(scope="session")
def one_gateway(
    demo_upstream: DemoUpstream, stage_upstream: ScriptedUpstream, session_gateway: StartGateway
) -> Gateway:
    """A gateway for all tests here: the demo upstream at /, as /openai/ too, and the scripted one at /staged/."""
    return session_gateway(
        route_to(demo_upstream.url)
        + toml_table("[routes]", {"path": "/openai/", "upstream": "up", "strip_prefix": "/openai"})
        + toml_table("upstreams.staged", {"endpoints": [stage_upstream.url]})
        + toml_table("[routes]", {"path": "/staged/", "upstream": "staged"})
        + toml_table("upstreams.nobody", {"endpoints": [f"http://127.0.0.1:{free_port()}"]})
        + toml_table("[routes]", {"path": "/nobody/", "upstream": "nobody"})
    )


@pytest.fixture(params=["npm", "browser"])
def listen(request: pytest.FixtureRequest) -> Listen:
    """Start an EventSource: that of npm, or one in a page of the same origin; they report alike."""
    if request.param == "browser":
        browser: Browser = request.getfixturevalue("browser")
        return lambda url: browser.run("listen", url)
    node: str = request.getfixturevalue("eventsource")
    return lambda url: Program([node, _HERE / "eventsource_listen.mjs", url])


@pytest.fixture(params=["curl", "axios", "fetch", "browser"])
def octets_of(request: pytest.FixtureRequest) -> ReadOctets:
    """Read a URL with a client that leaves the meaning to others; return the body and whether it reports success."""
    program: Any = request.getfixturevalue({"fetch": "node"}.get(request.param, request.param))

    def with_curl(url: str) -> tuple[str, bool]:
        done = subprocess.run(
            [program, "-sSN", "--max-time", "10", url], capture_output=True, timeout=15, env=plain_environment()
        )
        assert done.returncode in (0, 18, 56)
        return done.stdout.decode(), done.returncode == 0

    def with_script(url: str) -> tuple[str, bool]:
        made: Program | Tab
        if request.param == "browser":
            assert isinstance(program, Browser)
            made = program.run("read", url)
        else:
            made = Program([program, _HERE / f"{request.param}_stream.mjs", url])
        with made as script:
            assert script.report()["status"] == 200
            *pieces, last = script.reports()
            return "".join(piece["piece"] for piece in pieces), last == {"end": True}

    return with_curl if request.param == "curl" else with_script
