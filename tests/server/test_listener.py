"""What a listener keeps across connections."""

import pytest

from gateway.server import listener


def test_names_that_clients_think_of_are_kept_only_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may be as long as a field line: a thousand of those would stay for as long as the worker runs."""
    kept: dict[str, str] = {}
    monkeypatch.setattr(listener, "_KEYS", kept)

    assert listener._key("X-REQUEST-ID") == "HTTP_X_REQUEST_ID"
    for number in range(5000):
        listener._key(f"X-{number}")
        assert listener._key(f"X-{number}-" + "A" * 2000) == f"HTTP_X_{number}_" + "A" * 2000

    assert "X-REQUEST-ID" in kept
    assert sum(len(name) + len(key) for name, key in kept.items()) < 256 * 1024
