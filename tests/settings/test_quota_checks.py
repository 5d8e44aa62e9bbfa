"""What `gateway check` says about quotas and the store they are counted in."""

import pytest

from gateway.assemble import read_text
from gateway.config.problem import ConfigError

RATE = "limits = { rates = [{ limit = '9/s' }] }"
NAMED = "limits = { rates = [{ limit = '9/s', name = 'plan' }] }"
TOKENS = "limits = { budgets = [{ limit = '1M/day', of = 'tokens' }] }"
REDIS = "redis = 'redis://127.0.0.1/0'"


def told(route: str = "", *, shared: str = "", upstream: str = "", defaults: str = "", workers: int = 1) -> list[str]:
    """Return what is wrong or questionable about a file with these lines in its tables."""
    text = f"[server]\nworkers = {workers}\n[shared]\n{shared}\n[defaults]\n{defaults}\n[upstreams.a]\n"
    text += (
        f'endpoints = ["http://127.0.0.1:9"]\n{upstream}\n[[routes]]\nname = "r"\npath = "/"\nupstream = "a"\n{route}\n'
    )
    try:
        problems = read_text(text, "x")[2]
    except ConfigError as error:
        problems = error.problems
    return [f"{each.path}: {each.message}" for each in problems]


@pytest.mark.parametrize(
    "lines",
    [
        {"route": RATE},
        {"route": RATE, "shared": REDIS, "workers": 4},
        {"defaults": RATE, "shared": f"{REDIS}\non_failure = 'closed'\ntimeout = '50ms'\nmax_connections = 4"},
        {"route": TOKENS, "upstream": "stream = { format = 'openai' }"},
        {"defaults": TOKENS, "route": "limits = { budgets = [] }"},
        {"route": TOKENS, "defaults": "stream = { complete = 'terminal' }"},
        {
            "route": RATE.replace("'9/s'", "'9/s', name = 'plan'"),
            "defaults": RATE.replace("'9/s'", "'9/s', name = 'plan'"),
        },
        {"route": "limits = { max_streams_per_principal = 'off', rates = [] }", "workers": 4},
    ],
)
def test_quotas_that_act_are_accepted_in_silence(lines: dict[str, object]) -> None:
    """Nothing is said where nothing is wrong."""
    assert told(**lines) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ({"defaults": RATE, "workers": 3}, "defaults.limits.rates", "3 workers allow 3 times as much"),
        ({"shared": REDIS}, "shared.redis", "cannot act: no route has"),
        ({"shared": "on_failure = 'closed'"}, "shared.on_failure", "cannot act: redis is not set"),
        ({"route": TOKENS}, "routes.r.limits.budgets", "set stream.format"),
        ({"defaults": TOKENS}, "routes.r", "set stream.format"),
        (
            {"route": "limits = { budgets = [{ limit = '1/h', of = 'bytes' }] }"},
            "routes.r.limits.budgets[0].limit",
            "sizes",
        ),
        (
            {"route": "limits = { rates = [" + ", ".join(f"{{ limit = '{n}/s' }}" for n in range(1, 18)) + "] }"},
            "routes.r.limits.rates",
            "more than 16 rules",
        ),
    ],
)
def test_quota_that_cannot_act_as_it_looks_is_told(lines: dict[str, object], path: str, words: str) -> None:
    """At the place where it stands, with what to do."""
    (problem,) = told(**lines)  # type: ignore[arg-type]
    assert problem.startswith(f"{path}: ")
    assert words in problem


def test_missing_library_is_told_before_the_gateway_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the extra."""
    monkeypatch.setattr("gateway.settings.quota_checks.find_spec", lambda name: None)
    (problem,) = told(RATE, shared=REDIS)
    assert problem == "shared.redis: the package redis is missing: pip install 'slowgate[redis]'"


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@h:port/0", "hunter2", "http://hunter2", "redis://h:0/0", "redis://h/x"]
)
def test_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    """It may hold a password."""
    (problem,) = told(RATE, shared=f"redis = '{url}'")
    assert problem.startswith("shared.redis: ")
    assert "hunter2" not in problem
