"""The files that the dashboard needs, as browsers get them."""

from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient

from gateway.admin import assets, guard
from gateway.exchange.access import Access

FOLDER = Path(assets.__file__).parent / "assets"


@pytest.fixture
def client() -> FlaskClient:
    app = flask.Flask("assets", static_folder=None)
    assets.add_assets(app)
    guard.install(app, Access)
    return app.test_client()


@pytest.mark.parametrize("name", sorted(assets.names()))
def test_each_file_has_its_type_and_may_be_kept_under_its_digest(client: FlaskClient, name: str) -> None:
    """Under the address that pages use it never changes; under any other it is asked for again, cheaply."""
    kept, asked = client.get(assets.address(name)), client.get(f"/-/assets/{name}?v=0")

    assert kept.data == asked.data == (FOLDER / name).read_bytes()
    assert kept.headers["Content-Type"] == assets.TYPES[Path(name).suffix]
    assert kept.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert asked.headers["Cache-Control"] == "private, no-cache"
    assert kept.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/-/assets/{name}", headers={"If-None-Match": asked.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["none.js", "..%2Fguard.py", "%2e%2e/guard.py", "LICENCES.md", ""])
def test_nothing_else_of_the_machine_can_be_asked_for(client: FlaskClient, name: str) -> None:
    """Names are looked up among those that there are."""
    reply = client.get(f"/-/assets/{name}")
    assert reply.status_code == 404
    assert reply.headers["Cache-Control"] == "no-store"


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No file of ours names another host but in its licence, and each foreign one is named with its licence."""
    licences = (FOLDER / "LICENCES.txt").read_text()
    for name in ("htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css"):
        assert name in licences
    for name in ("dashboard.js", "dashboard.css"):
        assert "://" not in (FOLDER / name).read_text()
