"""What is told about a text that is no TOML."""

import tomllib

import pytest

from gateway.config.problem import Problem
from gateway.config.syntax import syntax_problem


def problem_of(text: str) -> Problem:
    """Return the problem of a text that `tomllib` refuses."""
    with pytest.raises(tomllib.TOMLDecodeError) as raised:
        tomllib.loads(text)
    return syntax_problem("x", text, str(raised.value))


def test_the_place_of_a_mistake_is_that_of_the_parser() -> None:
    """Line and column are told apart from the sentence, which begins with what it is about."""
    problem = problem_of("a = 1\nb = yes\n")

    assert (problem.line, problem.column, problem.source) == (2, 5, "b = yes")
    assert problem.message == "not valid TOML: invalid value; strings stand in quotes"


def test_an_end_that_comes_too_early_is_placed_at_the_last_line_with_text() -> None:
    """Blank lines at the end are not where the mistake is."""
    problem = problem_of('a = ["x"\n\n\n')

    assert problem.line == 1


@pytest.mark.parametrize("text", ['api_key = "sk-hidden', 'a = """\nsk-hidden\n', '"sk-hidden" = ', "token: sk-hidden"])
def test_a_line_that_may_hold_a_secret_is_not_shown(text: str) -> None:
    """Without structure nothing says what a line is; only headers and harmless pairs are repeated."""
    problem = problem_of(text)

    assert "sk-hidden" not in str(problem)
