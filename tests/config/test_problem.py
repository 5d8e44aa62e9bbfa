"""How problems are told, and which of them are news."""

from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity, dotted, in_order, without_echoes


def problem(*keys: str | int, line: int = 1, severity: Severity = Severity.ERROR) -> Problem:
    """Return a problem at ``keys``."""
    return Problem("a.toml", line, 1, dotted(keys), "x", severity=severity, keys=keys)


def test_a_problem_is_told_with_its_place_and_its_line() -> None:
    """One headline, then the offending line with its number."""
    told = Problem(
        "gateway.toml", 8, 1, "upstreams.openai.timeuot", "unknown key", suggestion="timeout", source="timeuot = 30"
    )

    assert str(told) == (
        'gateway.toml:8:1: upstreams.openai.timeuot: unknown key (did you mean "timeout"?)\n    8 | timeuot = 30'
    )


def test_a_warning_says_that_it_is_one() -> None:
    """Errors need no word, for they are the rule."""
    assert problem("a", severity=Severity.WARNING).headline() == "a.toml:1:1: warning: a: x"


def test_what_has_no_line_is_told_without_one() -> None:
    """A file that cannot be read has a name only."""
    assert str(Problem("a.toml", 0, 0, "", "cannot be read")) == "a.toml: cannot be read"


def test_problems_are_told_in_the_order_of_the_file() -> None:
    """Whoever found them first."""
    assert [each.line for each in in_order([problem("b", line=10), problem("a", line=9)])] == [9, 10]


def test_a_later_problem_in_or_around_an_earlier_one_is_no_news() -> None:
    """A wrong value is told once; what stands beside it is told too."""
    later = [problem("a"), problem("a", "b"), problem("a", "b", 1), problem("a", "c"), problem("ab")]

    assert [each.keys for each in without_echoes(later, [problem("a", "b")])] == [("a", "c"), ("ab",)]


def test_a_warning_hides_nothing() -> None:
    """An error at the place of an earlier warning is told."""
    later = [problem("a")]

    assert without_echoes(later, [problem("a", severity=Severity.WARNING)]) == later


def test_a_path_is_written_as_in_toml() -> None:
    """Odd keys in quotes, indexes in brackets."""
    path: Path = ("a-b", 0, "c d", "e.f", "")

    assert dotted(path) == 'a-b[0]."c d"."e.f".""'
