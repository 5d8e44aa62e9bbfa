"""pydantic's errors in plain words: what was expected, what was found, what was probably meant."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from gateway.config.document import Document
from gateway.config.model import known_keys
from gateway.config.positions import Path
from gateway.config.problem import Problem, Unacceptable, quoted
from gateway.config.secrets import MASK

_EXPECTED: Mapping[str, str | Callable[[dict[str, Any]], str]] = {
    "string_type": "a string",
    "string_too_short": lambda ctx: "a string that is not empty" if ctx["min_length"] == 1 else "a longer string",
    "string_too_long": lambda ctx: f"at most {ctx['max_length']} characters",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "too_short": lambda ctx: f"at least {_counted(ctx['min_length'], 'element')}",
    "too_long": lambda ctx: f"at most {_counted(ctx['max_length'], 'element')}",
    "greater_than": lambda ctx: f"more than {ctx['gt']}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']}",
    "less_than": lambda ctx: f"less than {ctx['lt']}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']}",
    "literal_error": lambda ctx: ctx["expected"].replace("'", '"'),
}


def translate(errors: Iterable[ErrorDetails], document: Document) -> list[Problem]:
    """Return a problem for each error, but one only where a misspelt key also leaves its right name missing."""
    problems: list[Problem] = []
    meant: set[Path] = set()
    errors = list(errors)
    for error in errors:
        if error["type"] == "extra_forbidden":
            path = real_path(error["loc"])
            problems.append(unknown_key(document, path))
            meant.add((*path[:-1], problems[-1].suggestion or ""))
    for error in errors:
        path = real_path(error["loc"])
        if error["type"] == "missing" and path not in meant:
            problems.append(_missing(document, path))
        elif error["type"] == "too_short" and _has_inner(path, errors):
            continue  # What is wrong with its elements was said; that none is left follows from it.
        elif error["type"] not in ("missing", "extra_forbidden"):
            problems.append(_wrong_value(document, path, error))
    return problems


def _has_inner(path: Path, errors: list[ErrorDetails]) -> bool:
    inside = (real_path(error["loc"]) for error in errors)
    return any(len(other) > len(path) and other[: len(path)] == path for other in inside)


def real_path(loc: tuple[int | str, ...]) -> Path:
    """Return the path in the file of a pydantic location, which marks an error in a key itself with ``[key]``."""
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def closest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of ``words`` that was probably meant by ``word``, or None."""
    by_lower = {each.lower(): each for each in words}
    matches = get_close_matches(word.lower().replace("-", "_"), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def unknown_key(document: Document, path: Path) -> Problem:
    """Return the problem of a key that the model does not have."""
    keys = known_keys(document.model, path[:-1])
    suggestion = closest(str(path[-1]), keys)
    expected = None if suggestion is not None or not keys else f"one of {', '.join(sorted(keys))}"
    return document.problem(path, "unknown key", at="key", expected=expected, suggestion=suggestion)


def _missing(document: Document, path: Path) -> Problem:
    return document.problem(path, f"the key {quoted(str(path[-1]))} is missing", at="key")


def _wrong_value(document: Document, path: Path, error: ErrorDetails) -> Problem:
    of_key = error["loc"][-1:] == ("[key]",)
    context = error.get("ctx", {})
    refusal = context.get("error")
    value = error["input"]
    hidden = document.hides(path) and not of_key
    found: str | None = _masked(value) if hidden else document.shown(value, path) if not of_key else quoted(str(value))
    message: str
    expected: str | None
    suggestion: str | None
    if isinstance(refusal, Unacceptable):
        message, expected, suggestion = refusal.message, refusal.expected, refusal.suggestion
        if path in document.substituted and refusal.discreet:
            message = refusal.discreet
        elif hidden:
            # A check's own sentence may repeat the value; what it expects never does.
            message = "" if expected else message
            suggestion = None
        if message:
            found = expected = None
    else:
        known = _EXPECTED.get(error["type"])
        expected = known(context) if callable(known) else known
        message = "" if expected is not None else error["msg"]
        suggestion = None
        if error["type"] == "literal_error" and isinstance(value, str) and not hidden:
            suggestion = closest(value, (word for word in context["expected"].split("'")[1::2]))
    return document.problem(
        path, message, at="key" if of_key else "value", expected=expected, found=found, suggestion=suggestion
    )


def _masked(value: object) -> str:
    return f"a string ({MASK})" if isinstance(value, str) else MASK


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
