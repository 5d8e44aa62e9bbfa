"""One file of a configuration, read and validated by itself."""

import itertools
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config.digests import DIGEST_KIND, DIGESTS_KIND, is_digest
from gateway.config.document import Document
from gateway.config.files import KEY_KIND, PEM_BEGINS
from gateway.config.model import is_secret, kind_at, secret_keys, sounds_secret
from gateway.config.positions import Path as KeyPath
from gateway.config.problem import ConfigError, Problem, Severity, Unacceptable, without_echoes
from gateway.config.salvage import salvage
from gateway.config.secrets import References
from gateway.config.syntax import syntax_problem
from gateway.config.translate import translate

M = TypeVar("M", bound=BaseModel)

MAX_OCTETS = 16 << 20
"""Of all files of a configuration together; tens of thousands of tables fit."""
_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s:]*:[^\s]+@")
"""A URL whose user has a password: secret in part, whatever its setting."""


@dataclass(slots=True)
class Reading:
    """What the files of one configuration share while they are read."""

    environ: Mapping[str, str]
    files: set[str] = field(default_factory=set)
    """Gets the absolute path of everything that was looked at, also of what was not there."""
    octets_left: int = MAX_OCTETS


@dataclass(frozen=True, slots=True)
class Part(Generic[M]):
    """What came of one file."""

    document: Document
    problems: tuple[Problem, ...]
    value: M | None
    """With errors among the problems, what could be made of the rest, for further checks only; None if nothing."""


def part_of_file(path: Path, model: type[M], reading: Reading, *, name: str = "") -> Part[M]:
    """Read the file ``path``, which messages call ``name``, and check it.

    Raises `ConfigError` only where there is no TOML to check.
    """
    name = name or str(path)
    reading.files.add(os.path.abspath(path))
    try:
        with open(path, "rb") as file:
            open_to_all = bool(os.fstat(file.fileno()).st_mode & stat.S_IROTH)
            octets = file.read(reading.octets_left + 1)
    except OSError as error:
        raise ConfigError([Problem(name, 0, 0, "", f"cannot be read: {error.strerror}")]) from None
    if len(octets) > reading.octets_left:
        raise ConfigError([Problem(name, 0, 0, "", _too_large(reading))])
    reading.octets_left -= len(octets)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError([Problem(name, line, column, "", "this is not UTF-8")]) from None
    return part_of_text(text, name, path.absolute().parent, model, reading, open_to_all=open_to_all)


def part_of_text(
    text: str, name: str, directory: Path, model: type[M], reading: Reading, *, open_to_all: bool = False
) -> Part[M]:
    """Check ``text``, which messages call ``name``; ``open_to_all`` says whether every user of the machine can read it.

    Raises `ConfigError` where it is no TOML.
    """
    text = text.replace("\r\n", "\n")
    document = Document(name, text, directory, model)
    substitution = _Substitution(References(directory, reading.environ, files=reading.files), secret_keys(model))
    try:
        document.data = substitution.of_table(tomllib.loads(text), ())
    except RecursionError:
        raise ConfigError([Problem(name, 0, 0, "", "values are nested too deeply")]) from None
    except ValueError as error:
        raise ConfigError([syntax_problem(name, text, str(error))]) from None
    document.substituted = frozenset(substitution.places)
    problems = [_unresolved(document, place, refusal) for place, refusal in substitution.refused]
    problems += [_readable_by_all(document, place, file) for place, file in substitution.readable_by_all]
    # Before a part of an array may be left out: these places are counted as the file counts.
    lying_open = _lying_open(document, substitution.perhaps_secret) if open_to_all else []
    part = _validated(document, model, problems, reading)
    news = (problem for problem in lying_open if without_echoes([problem], part.problems))
    return Part(document, (*part.problems, *itertools.islice(news, 1)), part.value)


def _too_large(reading: Reading) -> str:
    if reading.octets_left == MAX_OCTETS:
        return f"larger than {MAX_OCTETS} octets"
    return f"with this file the configuration is larger than {MAX_OCTETS} octets"


def _validated(document: Document, model: type[M], problems: list[Problem], reading: Reading) -> Part[M]:
    context = {"directory": document.directory, "files": reading.files}
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
    return Part(document, tuple(problems), value)


class _Substitution:
    """One walk over the values, which replaces references and makes arrays tuples."""

    def __init__(self, references: References, secret_keys: frozenset[str]) -> None:
        self.references = references
        self.secret_keys = secret_keys
        self.places: list[KeyPath] = []
        self.refused: list[tuple[KeyPath, Unacceptable]] = []
        self.readable_by_all: list[tuple[KeyPath, str]] = []
        self.perhaps_secret: list[KeyPath] = []
        """Places of texts, written out in the file, that may be secret: the model has the last word."""

    def of_table(self, table: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        return {key: self.of_value(value, (*path, key)) for key, value in table.items()}

    def of_value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            return self.of_string(value, path)
        if isinstance(value, dict):
            return self.of_table(value, path)
        if isinstance(value, list):
            return tuple([self.of_value(each, (*path, index)) for index, each in enumerate(value)])
        return value

    def of_string(self, text: str, path: KeyPath) -> str:
        if "${" in text:
            return self.of_reference(text, path)
        named = (step for step in path[-2:] if isinstance(step, str))
        if _WITH_PASSWORD.match(text) or any(step in self.secret_keys or sounds_secret(step) for step in named):
            self.perhaps_secret.append(path)
        return text

    def of_reference(self, text: str, path: KeyPath) -> str:
        files_before, brought_before = len(self.references.readable_by_all), self.references.brought
        try:
            expanded = self.references.expand(text)
        except Unacceptable as refusal:
            self.refused.append((path, refusal))
            self.places.append(path)
            return text
        if self.references.brought > brought_before:
            self.places.append(path)
        self.readable_by_all += [(path, file) for file in self.references.readable_by_all[files_before:]]
        return expanded


def _unresolved(document: Document, path: KeyPath, refusal: Unacceptable) -> Problem:
    return document.problem(path, refusal.message, expected=refusal.expected, suggestion=refusal.suggestion)


def _readable_by_all(document: Document, path: KeyPath, file: str) -> Problem:
    message = f"every user of this machine can read {file}; let only its owner and group read it"
    return document.problem(path, message, severity=Severity.WARNING)


def _lying_open(document: Document, paths: list[KeyPath]) -> list[Problem]:
    """Return a problem for each secret that is written out in a file that every user of the machine can read."""
    found = []
    for path in paths:
        text = _value_at(document.data, path)
        is_name = kind_at(document.model, path) == KEY_KIND and not text.lstrip().startswith(PEM_BEGINS)
        secret = is_secret(document.model, path) or _WITH_PASSWORD.match(text) is not None
        if secret and not is_name and not _is_digest(document, path, text):
            message = (
                "every user of this machine can read this file, which holds a secret;"
                ' let only its owner and group read it, or write "${env:NAME}" or "${file:PATH}"'
            )
            found.append(document.problem(path, message, severity=Severity.WARNING))
    return found


def _is_digest(document: Document, path: KeyPath, text: str) -> bool:
    field = path[:-1] if isinstance(path[-1], int) else path
    return kind_at(document.model, field) in (DIGEST_KIND, DIGESTS_KIND) and is_digest(text)


def _value_at(data: Any, path: KeyPath) -> str:
    for step in path:
        data = data[step]
    return str(data)
