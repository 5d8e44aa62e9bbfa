"""What a worker serves, and another configuration for it: all of it, or nothing. More of it: tests/wire/test_reload."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.assemble import read_text
from gateway.server.bulletin import Bulletin
from gateway.server.configuration import Configuration
from gateway.server.service import Service
from gateway.shared.sharing import Sharing
from gateway.store import keeping


def a_configuration(directory: Path, route: str, store: str | None) -> Configuration:
    kept = "" if store is None else f"[store]\nurl = 'sqlite:///{store}.db'\n"
    up = '[upstreams.up]\nendpoints = ["http://127.0.0.1:9"]\n'
    text = f"{kept}{up}[[routes]]\nname = '{route}'\npath = '/'\nupstream = 'up'\n"
    settings, plan, _ = read_text(text, "gateway.toml", directory=directory)
    return Configuration(settings, plan)


class Worker:
    """A service that looks at a notice board."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.bulletin = Bulletin()
        self.service = Service(a_configuration(directory, "first", "first"), self.bulletin)
        self.applications = self.service._applications

    def reads(self, route: str, store: str | None) -> None:
        self.bulletin.pin(a_configuration(self._directory, route, store))
        self.service.look_for_news()

    def serves(self) -> tuple[str, str | None]:
        """Return the name of its route and the file of its store."""
        store = self.applications.records.store
        (route,) = self.applications._plan.routes
        return route.name, None if store is None else Path(store.plan.url).stem


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker with a store, which is closed with the test."""
    made = Worker(tmp_path)
    yield made
    if made.applications.records.store is not None:
        made.applications.records.store.close(0.0)


def test_new_configuration_is_served_with_its_store(worker: Worker) -> None:
    """Another store, the same one, and none."""
    worker.reads("second", "second")
    assert worker.serves() == ("second", "second")
    store = worker.applications.records.store
    worker.reads("third", "second")
    assert worker.serves() == ("third", "second")
    assert worker.applications.records.store is store
    worker.reads("fourth", None)
    assert worker.serves() == ("fourth", None)
    assert worker.applications.status.rejected is None


@pytest.mark.parametrize("error", [ValueError("no such thing"), ModuleNotFoundError("no psycopg"), RuntimeError()])
def test_store_that_cannot_be_made_leaves_everything_as_it_was(
    worker: Worker, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The routes of the configuration before stay too, readiness says why, and the worker goes on."""

    def refuse(plan: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "Store", refuse)
        worker.reads("second", "second")

    assert worker.serves() == ("first", "first")
    assert worker.applications.status.rejected == (str(error) or "RuntimeError")
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "the one before stays" in told.getMessage()
    assert bool(told.exc_info) is not isinstance(error, ValueError)
    worker.reads("third", "second")
    assert (worker.serves(), worker.applications.status.rejected) == (("third", "second"), None)


def test_plan_that_is_refused_leaves_the_store_as_it_was(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is left of the one that was made for it."""
    store, closed = worker.applications.records.store, []

    class NewStore(keeping.Store):
        def close(self, seconds: float) -> int:
            closed.append(Path(self.plan.url).stem)
            return super().close(seconds)

    def refuse(sharing: Sharing, plan: object) -> None:
        raise ValueError("the URL of the shared Redis cannot be used")

    with monkeypatch.context() as patched:
        patched.setattr(Sharing, "prepare", refuse)
        patched.setattr(keeping, "Store", NewStore)
        worker.reads("second", "second")

    assert worker.serves() == ("first", "first")
    assert worker.applications.records.store is store
    assert closed == ["second"]
