"""``gateway check``: say whether a configuration is good, and everything that is wrong with it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.reading import config_option

if TYPE_CHECKING:
    from gateway.config.problem import Problem


@click.command()
@config_option
@click.option("--strict", is_flag=True, help="Warnings make the configuration bad, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as a JSON array on standard output.")
def check(path: Path, strict: bool, as_json: bool) -> None:
    """Check the configuration without serving it: status 0 if it is good, 1 if not."""
    from gateway.assemble import read_checked
    from gateway.config.problem import ConfigError

    try:
        found = read_checked(path)
        problems, plan = found.warnings, found.plan
    except ConfigError as error:
        problems, plan = error.problems, None
    bad = plan is None or (strict and bool(problems))
    if as_json:
        click.echo(json.dumps([as_object(problem) for problem in problems], indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        if bad and plan is not None:
            sys.stderr.write(f"{path} is not good enough for --strict: {len(problems)} warnings\n")
        elif plan is not None:
            click.echo(f"{path} is good: {len(plan.routes)} routes to {len(plan.upstreams)} upstreams")
    sys.exit(1 if bad else 0)


def as_object(problem: "Problem") -> dict[str, object]:
    """Return ``problem`` for a program: every key is always there, and `message` is a whole sentence without places."""
    return {
        "severity": problem.severity.value,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.words(),
        "expected": problem.expected,
        "found": problem.found,
        "suggestion": problem.suggestion,
    }
