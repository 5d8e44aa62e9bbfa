"""`gateway config`: what holds in the end, and where it came from."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.assemble import read, read_text
from gateway.cli.config import config

ROOT = Path(__file__).parents[2]
MAIN = """\
include = ["more/*.toml"]
[server]
listen = ["127.0.0.1:1", "unix:/run/a.sock"]
[admin]
listen = "off"
[forwarding]
via = "off"
[defaults]
timeouts = { idle = "7s", write = "off" }
[upstreams."a.b"]
endpoints = ["https://a.example.com/base"]
timeouts = { connect = "1500ms" }
[[routes]]
path = "/one/"
upstream = "a.b"
headers = { "X-Team" = "search", "X-Beta" = true }
timeouts = { idle = "9s" }
"""
MORE = """\
[[routes]]
name = "two"
path = "/two"
methods = ["GET", "POST"]
upstream = "a.b"
limits = { max_request_body = "1MiB" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a configuration in two files, as the working directory."""
    (tmp_path / "more").mkdir()
    (tmp_path / "gateway.toml").write_text(MAIN)
    (tmp_path / "more/two.toml").write_text(MORE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed() -> str:
    """Return what the command prints."""
    result = CliRunner().invoke(config, [], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def table(text: str, header: str, number: int = 0) -> dict[str, tuple[str, str]]:
    """Return the settings of the table number ``number`` with this header: value and comment of each."""
    body = text.split(f"\n{header}\n")[number + 1].partition("\n\n")[0]
    found = re.findall(r"^(\w+) = (.*?) +# (.+)$", body, re.M)
    return {name: (value, comment) for name, value, comment in found}


@pytest.mark.usefixtures("folder")
def test_what_is_printed_is_a_configuration_that_does_the_same() -> None:
    """It can be put into a file: nothing is lost, and nothing is left to be inherited or included."""
    _, plan, _ = read(Path("gateway.toml"))
    _, again, _ = read_text(printed(), "printed")

    assert again == plan


@pytest.mark.usefixtures("folder")
def test_each_value_names_the_place_that_it_came_from() -> None:
    """The file and line, the table it is inherited from, or that it is the default."""
    text = printed()

    assert table(text, "[server]")["listen"] == ('["127.0.0.1:1", "unix:/run/a.sock"]', "gateway.toml:3")
    assert table(text, "[server]")["workers"] == ("1", "default")
    assert table(text, "[routes.timeouts]") == {
        "connect": ('"1s500ms"', "upstream a.b, gateway.toml:12"),
        "first_byte": ('"1m"', "default"),
        "first_frame": ('"off"', "default"),
        "idle": ('"9s"', "gateway.toml:17"),
        "total": ('"off"', "default"),
        "write": ('"off"', "[defaults], gateway.toml:9"),
        "upload": ('"1m"', "default"),
        "queue": ('"10s"', "default"),
        "min_rate": ('"off"', "default"),
    }
    assert table(text, "[routes.timeouts]", 1)["idle"] == ('"7s"', "[defaults], gateway.toml:9")


@pytest.mark.usefixtures("folder")
def test_values_of_an_included_file_name_that_file() -> None:
    """Places are right across files."""
    text = printed()

    assert table(text, "[[routes]]", 1)["methods"] == ('["GET", "POST"]', "more/two.toml:4")
    assert table(text, "[routes.limits]", 1)["max_request_body"] == ('"1MiB"', "more/two.toml:6")
    assert text.startswith("# What gateway.toml, more/two.toml say in the end.")


@pytest.mark.usefixtures("folder")
def test_what_is_off_is_off_and_what_is_not_set_says_so() -> None:
    """Off can be written; a setting without a value becomes a comment."""
    text = printed()

    assert table(text, "[admin]")["listen"] == ('"off"', "gateway.toml:5")
    assert table(text, "[forwarding]")["via"] == ('"off"', "gateway.toml:7")
    assert re.search(r"^# rewrite is not set +# default$", text, re.M)
    assert table(text, "[[routes]]")["name"] == ('"one"', "made from path")


def test_the_example_prints_and_loads_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Being explicit is not questionable."""
    monkeypatch.chdir(ROOT)

    assert read_text(printed(), "printed")[2] == ()


def test_a_bad_file_prints_nothing_but_its_problems(tmp_path: Path) -> None:
    """Half a configuration is none."""
    (tmp_path / "bad.toml").write_text("[server]\nworkers = 0\n")
    result = CliRunner().invoke(config, ["-c", str(tmp_path / "bad.toml")])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "server.workers: expected at least 1" in result.stderr


def test_endpoints_are_printed_as_they_were_written_and_secrets_of_theirs_are_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL alone stays one, a table keeps all its keys; the breaker and the checks are tables of their own."""
    monkeypatch.setenv("PLANTED", "https://b.example.com/sk-4711")
    endpoints = 'endpoints = ["https://a.example.com/base", { url = "${env:PLANTED}", weight = 2 }]'
    text = MAIN.replace('endpoints = ["https://a.example.com/base"]', f"{endpoints}\nbreaker = {{ status = [503] }}")
    (folder / "gateway.toml").write_text(text)
    out = printed()

    assert table(out, '[upstreams."a.b"]')["endpoints"][0] == (
        '["https://a.example.com/base", { url = "***", weight = 2, priority = 0 }]'
    )
    assert table(out, '[upstreams."a.b".breaker]')["failures"] == ("5", "default")
    assert table(out, '[upstreams."a.b".breaker]')["status"][0] == "[503]"
    assert "4711" not in out


def test_a_limit_of_an_upstream_is_not_told_of_its_routes(folder: Path) -> None:
    """It holds for all of them together; as one of each it would mean something else when the text is read again."""
    text = MAIN.replace('timeouts = { connect = "1500ms" }', 'limits = { max_concurrent = 4, priority = "high" }')
    (folder / "gateway.toml").write_text(text)
    told = printed()

    assert table(told, '[upstreams."a.b".limits]')["max_concurrent"] == ("4", "gateway.toml:12")
    of_route = table(told, "[routes.limits]")
    assert of_route["max_concurrent"] == ('"off"', "default")
    assert of_route["priority"] == ('"high"', "upstream a.b, gateway.toml:12")


def test_rules_in_arrays_are_printed_as_they_are_read_and_the_url_of_redis_is_not(tmp_path: Path) -> None:
    """What a rule leaves out is left out again; the URL may hold a password."""
    rules = """rates = [{ limit = "100/min", by = "address", burst = 20 }, { limit = "5k/day", by = "principal" }]"""
    (tmp_path / "gateway.toml").write_text(
        '[shared]\nredis = "redis://:hunter2@127.0.0.1/0"\n[upstreams.a]\nendpoints = ["http://127.0.0.1:9"]\n'
        f'[[routes]]\npath = "/"\nupstream = "a"\nlimits.{rules}\n'
    )
    told = CliRunner().invoke(config, ["-c", str(tmp_path / "gateway.toml")])
    assert told.exit_code == 0, told.output
    assert f"\n{rules}  # " in told.output
    assert '\n[shared]\nredis = "***" ' in told.output
    assert "hunter2" not in told.output


def test_every_table_that_holds_is_printed(folder: Path) -> None:
    """The store and the lists of addresses, too; of the store's URL all but what is secret."""
    (folder / "gateway.toml").write_text(
        MAIN.replace(
            "[admin]",
            '[tracing]\nendpoint = "http://127.0.0.1:4318"\nheaders = { "X-Key" = "sk-hidden" }\n'
            '[server.addresses]\ndeny = ["192.0.2.0/24"]\n[store]\n'
            'url = "postgresql://gate:sk-hidden@db/exchanges"\nkeep = "1h"\n[admin]',
        )
    )
    text = printed()

    assert table(text, "[server.addresses]")["deny"][0] == '["192.0.2.0/24"]'
    assert table(text, "[store]")["url"][0] == '"postgresql://gate:***@db/exchanges"'
    assert table(text, "[tracing]")["endpoint"][0] == '"http://127.0.0.1:4318"'
    assert table(text, "[store]")["keep"][0] == '"1h"'
    assert "sk-hidden" not in text
