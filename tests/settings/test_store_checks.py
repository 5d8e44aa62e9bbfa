"""What `gateway check` says about the store."""

from pathlib import Path

import pytest

from gateway.assemble import read_text
from gateway.config.problem import ConfigError
from gateway.settings import store_checks
from gateway.settings.store import masked_url

REST = '\n[upstreams.up]\nendpoints = ["http://127.0.0.1:9"]\n[[routes]]\npath = "/"\nupstream = "up"\n'


def warnings(store: str) -> list[str]:
    _, _, found = read_text(f"[store]\n{store}{REST}", "g.toml", directory=Path("/etc/gateway"))
    return [problem.message for problem in found]


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("", "sqlite:////etc/gateway/var/exchanges.db"),
        ('url = "sqlite:///x.db"', "sqlite:////etc/gateway/x.db"),
        ('url = "sqlite:////srv/x.db"', "sqlite:////srv/x.db"),
        ('url = "postgres://u:p@h/d"', "postgresql://u:p@h/d"),
    ],
)
def test_file_of_the_store_is_relative_to_the_configuration(written: str, url: str) -> None:
    """Where the gateway was started does not matter."""
    settings, _, _ = read_text(f"[store]\n{written}{REST}", "g.toml", directory=Path("/etc/gateway"))
    assert settings.store is not None
    assert settings.store.url == url


@pytest.mark.parametrize(
    "url",
    [
        "exchanges.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://h/d",
        "postgresql://h",
        "postgresql://h:x/d",
    ],
)
def test_url_that_is_none_is_refused(url: str) -> None:
    """With the forms that are."""
    with pytest.raises(ConfigError, match="sqlite:///"):
        warnings(f'url = "{url}"')


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("", None),
        ('keep = "off"', None),
        ('keep = "off"\nmax_size = "off"', "nothing bounds the rows"),
        ('url = "postgresql://h/d"\nkeep = "off"', "nothing bounds the rows"),
        ('url = "postgresql://h/d"\nkeep = "off"\nmax_rows = 1000', None),
        ('url = "postgresql://h/d"\nmax_size = "1GiB"', "write max_rows"),
        ("queue = 100\nbatch = 200", "no more than queue = 100"),
        ('query_strings = true\nleave_out = ["target"]', "leave_out has the target"),
    ],
)
def test_setting_that_cannot_act_is_told(store: str, told: str | None) -> None:
    """And nothing else is."""
    found = warnings(store)
    assert found == [] if told is None else any(told in each for each in found)


def test_missing_driver_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """At check, not when the first record waits."""
    monkeypatch.setattr(store_checks, "find_spec", lambda name: None if name == "psycopg" else object())
    with pytest.raises(ConfigError, match=r"slowgate\[postgres\]"):
        warnings('url = "postgresql://h/d"')
    assert warnings("") == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("postgresql://u:s3cret@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:s3@cret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?password=s3cret", "postgresql://h/d?***"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
    ],
)
def test_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Wherever settings are shown."""
    assert masked_url(url) == shown
    settings, _, _ = read_text(f'[store]\nurl = "{url}"{REST}', "g.toml")
    assert settings.store is not None
    assert settings.store.model_dump()["url"] == shown
    assert "s3" not in repr(settings)
