"""`gateway explain`: what becomes of a request, and which lines say so."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.explain import explain
from gateway.policy import ORDER

TEXT = """\
[defaults]
limits = { max_request_body = "1KiB" }
[upstreams.a]
endpoints = ["http://127.0.0.1:9000/base", "unix:/run/a.sock"]
keep_host = true
timeouts = { idle = "5s" }
[[routes]]
name = "team"
path = "/api/"
headers = { X-Team = true }
upstream = "a"
strip_prefix = "/api"
rewrite = "/v1"
[[routes]]
name = "all"
path = "/api/"
methods = ["GET", "OPTIONS"]
hosts = ["a.example.com"]
upstream = "a"
"""


def run(folder: Path, *arguments: str, text: str = TEXT) -> Result:
    """Explain a request to a file with ``text``, called gateway.toml."""
    path = folder / "gateway.toml"
    path.write_text(text)
    return CliRunner().invoke(explain, ["-c", str(path), *arguments], catch_exceptions=False)


def section(output: str, phase: str) -> str:
    """Return what is told about a phase."""
    return output.split(f"\n{phase}\n")[1].partition("\n\n")[0]


def test_the_route_and_its_line_come_first(tmp_path: Path) -> None:
    """The question is mostly which route it is."""
    result = run(tmp_path, "POST", "/api/x", "-H", "x-team: 1")

    assert result.exit_code == 0
    assert re.match(r"route +team +# .*gateway\.toml:7\nupstream +a +# .*gateway\.toml:3\n", result.stdout)


def test_each_endpoint_is_told_with_what_it_would_be_asked(tmp_path: Path) -> None:
    """Base path, rewrite and query as they would go up."""
    output = run(tmp_path, "POST", "/api/x%2Fy?q=1", "-H", "X-Team: 1").stdout

    assert re.search(r"-> POST http://127\.0\.0\.1:9000/base/v1/x%2Fy\?q=1 +# .*gateway\.toml:4$", output, re.M)
    assert re.search(r"-> POST unix:/run/a\.sock /v1/x%2Fy\?q=1 +# .*gateway\.toml:4$", output, re.M)


@pytest.mark.parametrize(
    ("phase", "policy", "setting", "place"),
    [
        ("admit", "safe_target", 'path = "/api/"', "gateway.toml:9"),
        ("admit", "request_limits", 'limits.max_request_body = "1KiB"', "[defaults], GATEWAY.toml:2"),
        ("prepare", "host", "upstream.keep_host = true", "gateway.toml:5"),
        ("prepare", "target", 'rewrite = "/v1"', "gateway.toml:13"),
        ("prepare", "forwarding", 'forwarding.via = "slowgate"', "default"),
        ("commit", "request_id", 'forwarding.request_id_header = "X-Request-Id"', "default"),
        ("open", "timeouts", 'timeouts.connect = "5s"', "default"),
        ("relay", "timeouts", 'timeouts.idle = "5s"', "upstream a, GATEWAY.toml:6"),
        ("throughout", "timeouts", 'timeouts.total = "off"', "default"),
    ],
)
def test_policies_stand_at_their_phase_with_values_and_places(
    tmp_path: Path, phase: str, policy: str, setting: str, place: str
) -> None:
    """Whoever wonders about a value finds the line to change."""
    told = section(run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1").stdout, phase)
    folder = f"{tmp_path}/"

    assert f"  {policy}\n" in f"{told}\n"
    line = next(line for line in told.splitlines() if line.strip().startswith(setting))
    assert line.replace(folder, "").endswith(f"# {place.replace('GATEWAY', 'gateway')}")


def test_a_policy_without_effect_is_told_too(tmp_path: Path) -> None:
    """That nothing limits a body is an answer."""
    text = TEXT.replace('limits = { max_request_body = "1KiB" }', "")
    output = run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1", text=text).stdout

    assert 'limits.max_request_body = "off"' in section(output, "without effect here")


def test_every_policy_of_the_order_is_told(tmp_path: Path) -> None:
    """Each says which settings it acts on, and each of those is one that the command can find."""
    output = run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1").stdout

    for build in ORDER:
        assert f"\n  {build.__module__.rpartition('.')[2]}\n" in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("GET", "/nope"), "404 no_route"),
        (("PUT", "/api/x", "-H", "Host: a.example.com"), "405 method_not_allowed: this path serves GET, OPTIONS"),
        (("GET", "/api/x/../../y", "-H", "X-Team: 1"), "400 target_refused"),
        (("POST", "/api/x", "-H", "X-Team: 1", "-H", "Content-Length: 1025"), "413 body_too_large: 1025 octets"),
        (("CONNECT", "a.example.com:443"), "501 method_unsupported"),
    ],
)
def test_a_refusal_has_a_status_and_names_the_failure(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """A script can tell, and a person finds the code on the page of failures."""
    result = run(tmp_path, *arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"refused with {told}")


def test_the_policy_that_refuses_is_marked(tmp_path: Path) -> None:
    """Among all phases one sees where it ended."""
    output = run(tmp_path, "POST", "/api/x", "-H", "X-Team: 1", "-H", "Content-Length: 1025").stdout

    assert "  request_limits  refuses\n" in section(output, "admit")


def test_an_url_brings_its_own_host(tmp_path: Path) -> None:
    """One may paste what a client uses."""
    assert "route     all " in run(tmp_path, "GET", "http://a.example.com:8080/api/x").stdout


@pytest.mark.parametrize("arguments", [("GET", "/", "-H", "no colon"), ("GET", "ftp://a/")])
def test_what_is_no_request_is_a_mistake_of_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """It is told apart from a refusal."""
    assert run(tmp_path, *arguments).exit_code == 2


def test_it_is_told_how_an_endpoint_is_chosen(tmp_path: Path) -> None:
    """The balance, what it hashes, and what may rule an endpoint out; of a single one there is nothing to tell."""
    settings = 'balance = "hash"\nhash_on = "path"\nbreaker = {}\nhealth = { path = "/up" }\nkeep_host = true'
    chosen = section(run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1").stdout, "select")
    hashed = section(
        run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1", text=TEXT.replace("keep_host = true", settings)).stdout,
        "select",
    )
    alone = section(
        run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1", text=TEXT.replace(', "unix:/run/a.sock"', "")).stdout,
        "select",
    )

    assert re.fullmatch(r'  one of the endpoints below\n    upstream\.balance = "round_robin" +# default', chosen)
    assert re.search(r'upstream\.balance = "hash" +# .*:5\n +upstream\.hash_on = "path" +# .*:6\n', hashed)
    assert re.search(
        r"upstream\.breaker may rule some out +# .*:7\n +upstream\.health may rule some out +# .*:8", hashed
    )
    assert alone == "  the only endpoint"


@pytest.mark.parametrize("form", ['"${{env:PLANTED}}{0}"', '{{ url = "${{env:PLANTED}}{0}", weight = 2 }}'])
def test_an_endpoint_that_a_reference_brought_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Its path may be a key, in whatever form it is written."""
    monkeypatch.setenv("PLANTED", "https://b.example.com/sk-4711")
    text = TEXT.replace('"unix:/run/a.sock"', form.format("/v1"))
    output = run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1", text=text).stdout

    assert re.search(r"-> GET \*\*\* +# ", output)
    assert "4711" not in output


def test_limits_of_the_route_and_of_its_upstream_are_told_apart(tmp_path: Path) -> None:
    """Both hold, so both stand there, with what decides who waits how."""
    text = TEXT.replace("keep_host = true", "limits = { max_concurrent = 4, priority = 'low' }")
    text += "limits = { max_concurrent = 2 }\n"
    told = section(run(tmp_path, "GET", "/api/x", "-H", "Host: a.example.com", text=text).stdout, "queue")

    assert re.search(r"route\.limits\.max_concurrent = 2 +# .*gateway\.toml:20$", told, re.M)
    assert re.search(r"upstream\.limits\.max_concurrent = 4 +# .*gateway\.toml:5$", told, re.M)
    assert re.search(r'limits\.priority = "low" +# upstream a, .*gateway\.toml:5$', told, re.M)
    assert 'timeouts.queue = "10s"' in told


def test_without_limits_nobody_waits(tmp_path: Path) -> None:
    """The policy stands with those that have no effect, and no timeout is named that cannot pass."""
    output = run(tmp_path, "GET", "/api/x", "-H", "Host: a.example.com").stdout

    assert not re.search(r"^queue$", output, re.M)
    assert "timeouts.queue" not in output
    assert "  concurrency" in section(output, "without effect here")


def test_limit_that_finds_itself_is_told_where_it_learns(tmp_path: Path) -> None:
    """Also where it is the upstream's, beside one of the route that stands."""
    text = TEXT.replace("keep_host = true", "limits = { adaptive = { min = 2, max = 9 } }")
    text += "limits = { max_concurrent = 2 }\n"
    output = run(tmp_path, "GET", "/api/x", "-H", "Host: a.example.com", text=text).stdout

    assert "  concurrency" in section(output, "queue")
    assert "  concurrency" in section(output, "commit")


def test_what_a_route_does_with_its_streams_is_told_where_it_acts(tmp_path: Path) -> None:
    """A held head, pings and the format are what people ask about; a route that looks at none says so."""
    text = TEXT.replace('name = "team"', 'name = "team"\nstream = { format = "sse", peek = "5s", keepalive = "2s" }')
    output = run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1", text=text).stdout
    plain = run(tmp_path, "GET", "/api/x", "-H", "X-Team: 1").stdout

    assert 'stream.peek = "5s"' in section(output, "open")
    assert 'stream.format = "sse"' in section(output, "relay")
    assert 'stream.grace = "10s"' in section(output, "throughout")
    assert "stream.format is not set" in section(plain, "without effect here")
    assert "stream.peek" not in plain
