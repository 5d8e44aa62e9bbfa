"""Fixtures of all tests: scripted upstreams, gateways, the demo upstream, certificates."""

import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support.certificates import TlsFiles, make_tls_files
from support.demo_process import DemoUpstream
from support.gateway_process import Gateway, in_own_directories
from support.postgres_process import Postgres, postgres_programs
from support.scripted_upstream import Script, ScriptedUpstream

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

_WIRE = Path(__file__).parent / "wire"

StartUpstream = Callable[..., ScriptedUpstream]
StartGateway = Callable[..., Gateway]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything below tests/wire as ``wire``."""
    for item in items:
        if item.path.is_relative_to(_WIRE):
            item.add_marker(pytest.mark.wire)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_to_the_collector() -> Iterator[None]:
    """Collect behind each file, so that what its tests left open is told there and not in any other test."""
    yield
    gc.collect()
    gc.freeze()  # What has survived is not looked at again: behind the next file that would take most of the time.


@pytest.fixture
def scripted_upstream() -> Iterator[StartUpstream]:
    """Start upstreams: ``scripted_upstream(script, tls=..., unix=...)``. They end with the test."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> ScriptedUpstream:
            return stack.enter_context(ScriptedUpstream(script, **options))

        yield start


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Start gateways of a test's own: ``gateway(toml, server={...}, tls=...)``. They end with the test."""
    with in_own_directories(Gateway, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartGateway]:
    """Start gateways that the tests of a module share: the same configuration gets the same running gateway."""
    running: dict[str, Gateway] = {}
    with ExitStack() as stack:

        def start(toml: str, **options: Any) -> Gateway:
            key = repr((toml, sorted(options.items())))
            if key not in running:
                made = Gateway(toml, tmp_path_factory.mktemp("gateway"), **options)
                running[key] = stack.enter_context(made)
            return running[key]

        yield start


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[StartUpstream]:
    """Start upstreams that the tests of a module share, so that a shared gateway can point at them."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> ScriptedUpstream:
            return stack.enter_context(ScriptedUpstream(script, **options))

        yield start


@pytest.fixture(scope="session")
def demo_upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoUpstream]:
    """The demo upstream, one for all tests; what it wrote to stderr fails the run."""
    with DemoUpstream(tmp_path_factory.mktemp("demo")) as upstream:
        yield upstream
        assert upstream.errors() == ""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one for all tests, which share its one database: empty what you use."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql), or nobody but root may run it")
    # Not below pytest's own directory: only its owner may enter that, and the server is another user.
    with tempfile.TemporaryDirectory(prefix="slowgate-postgres-") as directory:
        Path(directory).chmod(0o755)
        with Postgres(programs, Path(directory)) as server:
            yield server


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """An authority of the tests' own, and what it signed."""
    return make_tls_files(tmp_path_factory.mktemp("tls"))
