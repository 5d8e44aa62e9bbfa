"""What `gateway check` says about conversions."""

import pytest

from gateway.assemble import read_text
from gateway.config.problem import ConfigError

ENDPOINTS = 'endpoints = ["http://127.0.0.1:9"]\n'


def told(upstream: str = "", route: str = "", defaults: str = "", second: str | None = None) -> list[str]:
    """Return what is wrong, and what is questionable, about a file with these lines in its tables."""
    text = f"[defaults]\n{defaults}\n[upstreams.a]\n{ENDPOINTS}{upstream}\n"
    text += f'[[routes]]\nname = "r"\npath = "/"\nupstream = "a"\n{route}\n'
    if second is not None:
        text += f'[[routes]]\nname = "s"\npath = "/s"\nupstream = "a"\n{second}\n'
    try:
        problems = read_text(text, "x")[2]
    except ConfigError as error:
        problems = tuple(error.problems)
    return [f"{each.severity.value}: {each.path}: {each.message}" for each in problems]


@pytest.mark.parametrize(
    "lines",
    [
        {"route": "convert = { to = ['ndjson', 'sse'] }"},
        {"route": "convert = { to = ['csv'], columns = ['id'] }"},
        {"route": "convert = { to = ['csv'] }", "defaults": "convert = { columns = ['id'] }"},
        {"defaults": "convert = { columns = ['id'] }"},
        {"defaults": "convert = { to = ['ndjson'] }", "route": "stream = { format = 'auto' }"},
        {"upstream": "stream = { format = 'anthropic' }\nconvert = { to = ['ndjson'] }"},
        {"upstream": "stream = { format = 'json' }\nconvert = { to = ['ndjson', 'csv'], columns = ['a'] }"},
    ],
)
def test_conversions_that_can_be_made_are_accepted_in_silence(lines: dict[str, str]) -> None:
    """So are columns that wait in a wider table for a route that offers CSV."""
    assert told(**lines) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            {"route": "convert = { to = ['csv'] }"},
            ['error: routes.r.convert.to[0]: CSV needs columns; write columns = ["id", "user.name"]'],
        ),
        (
            {"defaults": "convert = { to = ['ndjson', 'csv'] }", "second": "convert = { columns = ['id'] }"},
            ['error: defaults.convert.to[1]: CSV needs columns; write columns = ["id", "user.name"]'],
        ),
        (
            {"route": "convert = { to = ['sse'], columns = ['id'] }"},
            ['warning: routes.r.convert.columns: cannot act: to has no "csv"'],
        ),
        (
            {"upstream": "convert = { to = ['sse'], columns = ['id'] }", "second": ""},
            ['warning: upstreams.a.convert.columns: cannot act: to has no "csv"'],
        ),
        (
            {"route": "stream = { format = 'sse' }\nconvert = { to = ['sse', 'ndjson'] }"},
            [
                'warning: routes.r.convert.to[0]: cannot act: "sse" is made from "ndjson" or "json", '
                'and stream.format is "sse"'
            ],
        ),
        (
            {"route": "convert = { to = ['sse', 'ndjson', 'sse'] }"},
            ["warning: routes.r.convert.to[2]: is there twice"],
        ),
        (
            {"defaults": "convert = { columns = ['id', 'id'] }"},
            ["error: defaults.convert.columns[1]: is there twice"],
        ),
    ],
)
def test_conversions_that_cannot_be_made_are_told_where_they_are_offered(
    lines: dict[str, str], expected: list[str]
) -> None:
    """Once, at the table that says it."""
    assert told(**lines) == expected
