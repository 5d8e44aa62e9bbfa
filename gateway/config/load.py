"""A configuration file read, or everything that is wrong with it told at once."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config.document import Document, shorten
from gateway.config.model import sounds_secret
from gateway.config.positions import Path as KeyPath
from gateway.config.problem import ConfigError, Problem, Severity, Unacceptable, dotted, in_order, without_echoes
from gateway.config.salvage import salvage
from gateway.config.secrets import MASK, References
from gateway.config.translate import translate

M = TypeVar("M", bound=BaseModel)

MAX_OCTETS = 16 << 20
"""Of a configuration file; tens of thousands of tables fit."""

_PAIR = re.compile(r"(\s*[A-Za-z0-9_.\"' \t-]+=)\s*[^=\s]")
_UNQUOTED = re.compile(r"[^=]*=\s*[A-Za-z0-9/.:]")
_HEADER = re.compile(r"\s*\[[\[A-Za-z0-9_.\"' \t-]*")
_TUPLE = re.compile(r"\('.*?,?\)")
_IN_QUOTES = re.compile("'([^']*)'")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Examined(Generic[M]):
    """What came of a text: the model, and all that was found wrong."""

    document: Document
    problems: tuple[Problem, ...]
    value: M | None
    """With errors among the problems, what could be made of the rest, for further checks only; None if nothing."""


def load(path: Path, model: type[M]) -> M:
    """Return the settings in the file ``path``; raise `ConfigError` with every problem it has."""
    return _sound(examine(path, model))


def load_text(text: str, name: str, model: type[M], *, directory: Path | None = None) -> M:
    """As `load`, for a text that messages call ``name``; relative file names start from ``directory``."""
    return _sound(examine_text(text, name, model, directory=directory))


def examine(path: Path, model: type[M], *, environ: Mapping[str, str] = os.environ) -> Examined[M]:
    """Read the file ``path`` and check it. Raises `ConfigError` only where there is no TOML to check."""
    try:
        with open(path, "rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", f"cannot be read: {error.strerror}")]) from None
    if len(octets) > MAX_OCTETS:
        raise ConfigError([Problem(str(path), 0, 0, "", f"larger than {MAX_OCTETS} octets")])
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError([Problem(str(path), line, column, "", "this is not UTF-8")]) from None
    return examine_text(text, str(path), model, directory=path.absolute().parent, environ=environ)


def examine_text(
    text: str,
    name: str,
    model: type[M],
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Examined[M]:
    """Check ``text`` as `examine` does a file's."""
    text = text.replace("\r\n", "\n")
    directory = Path.cwd() if directory is None else directory
    document = Document(name, text, directory, model)
    references = References(directory, environ)
    problems: list[Problem] = []
    try:
        raw = tomllib.loads(text)
        substitution = _Substitution(references)
        document.data = substitution.of_table(raw, ())
    except RecursionError:
        raise ConfigError([Problem(name, 0, 0, "", "values are nested too deeply")]) from None
    except ValueError as error:
        raise ConfigError([_syntax_problem(name, text, str(error))]) from None
    document.substituted = frozenset(substitution.places)
    problems += [_unresolved(document, place, refusal) for place, refusal in substitution.refused]
    problems += [_readable_by_all(document, place, file) for place, file in substitution.readable_by_all]
    return _validated(document, model, problems)


def _validated(document: Document, model: type[M], problems: list[Problem]) -> Examined[M]:
    context = {"directory": document.directory}
    value: M | None = None
    try:
        value = model.model_validate(document.data, context=context)
    except ValidationError as error:
        problems += without_echoes(translate(error.errors(include_url=False), document), problems)
    wrong = [problem.keys for problem in problems if problem.severity is Severity.ERROR]
    if wrong:
        saved = salvage(document.data, model, context, wrong)
        value, kept = saved if saved is not None else (None, {})
        document.kept, document.partial = kept, True
    return Examined(document, in_order(problems), value)


def _sound(examined: Examined[M]) -> M:
    if examined.value is None or examined.document.partial:
        raise ConfigError(examined.problems)
    return examined.value


class _Substitution:
    """One walk over the values, which replaces references and makes arrays tuples."""

    def __init__(self, references: References) -> None:
        self.references = references
        self.places: list[KeyPath] = []
        self.refused: list[tuple[KeyPath, Unacceptable]] = []
        self.readable_by_all: list[tuple[KeyPath, str]] = []

    def of_table(self, table: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        return {key: self.of_value(value, (*path, key)) for key, value in table.items()}

    def of_value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            return self.of_string(value, path) if "${" in value else value
        if isinstance(value, dict):
            return self.of_table(value, path)
        if isinstance(value, list):
            return tuple([self.of_value(each, (*path, index)) for index, each in enumerate(value)])
        return value

    def of_string(self, text: str, path: KeyPath) -> str:
        self.places.append(path)
        files_before = len(self.references.readable_by_all)
        try:
            return self.references.expand(text)
        except Unacceptable as refusal:
            self.refused.append((path, refusal))
            return text
        finally:
            self.readable_by_all += [(path, file) for file in self.references.readable_by_all[files_before:]]


def _unresolved(document: Document, path: KeyPath, refusal: Unacceptable) -> Problem:
    return document.problem(path, refusal.message, expected=refusal.expected, suggestion=refusal.suggestion)


def _readable_by_all(document: Document, path: KeyPath, file: str) -> Problem:
    message = f"every user of this machine can read {file}; let only its owner and group read it"
    return document.problem(path, message, severity=Severity.WARNING)


def _syntax_problem(name: str, text: str, complaint: str) -> Problem:
    """Return what `tomllib` says, with its place, and the line as far as it can hold no secret."""
    match = _AT.search(complaint)
    message = complaint[: match.start()] if match else complaint
    message = _TUPLE.sub(lambda found: dotted(tuple(_IN_QUOTES.findall(found[0]))), message)
    message = message.replace("Cannot overwrite a value", "this key has a value already")
    message = f"not valid TOML: {message[:1].lower()}{message[1:]}"
    lines = text.split("\n")
    if match is None or match[1] is None:
        while len(lines) > 1 and not lines[-1].strip():
            lines.pop()
        source = None if complaint.startswith("Unterminated") else _harmless(lines[-1])
        return Problem(name, len(lines), len(lines[-1]) + 1, "", message, source=source)
    line, column = int(match[1]), int(match[2])
    if _UNQUOTED.match(lines[line - 1]) and ("invalid value" in message or "after a statement" in message):
        message += "; strings stand in quotes"
    return Problem(name, line, column, "", message, source=_harmless(lines[line - 1]))


def _harmless(line: str) -> str | None:
    """Return a line of a text without known structure, as far as it can hold no secret.

    That is a header, or a pair whose key does not sound like one; any other line may be from the middle of a value.
    """
    pair = _PAIR.match(line)
    if pair is not None and sounds_secret(line):
        return f"{pair[1]} {MASK}"
    return shorten(line) if pair is not None or _HEADER.match(line) else None
