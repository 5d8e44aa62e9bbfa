"""A configuration in several files: ``include = ["routes.d/*.toml"]`` at the top, in the main file or an included one.

A model takes part in it by having the field `include`. An included file may hold what adds up (tables by name, arrays
of tables) and nothing that could be said twice.
"""

import os
from glob import glob, has_magic
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from gateway.config.document import Document
from gateway.config.model import tables_that_add_up
from gateway.config.part import Part, Reading, part_of_file
from gateway.config.positions import Path as KeyPath
from gateway.config.problem import ConfigError, Problem, Severity, dotted
from gateway.config.sources import Sources

M = TypeVar("M", bound=BaseModel)

INCLUDE = "include"
MAX_DEPTH = 8
"""Files that may stand between the main file and an included one, itself counted."""
MAX_FILES = 1000
"""Included files in all."""


class Inclusion(Generic[M]):
    """One walk from the main file through all that it includes, depth first, in the order in which they are named."""

    def __init__(self, model: type[M], reading: Reading) -> None:
        self.model = model
        self.reading = reading
        self.parts: list[Part[M]] = []
        self.problems: list[Problem] = []
        self.incomplete = False
        self._seen: dict[str, str] = {}
        """Of each file that was included, who did it."""

    def walk(self, part: Part[M], chain: tuple[str, ...]) -> None:
        """Read all that ``part`` includes. ``chain`` has the real paths of the files that led to it, its own last."""
        document = part.document
        for index, pattern in enumerate(_patterns(part)):
            place: KeyPath = (INCLUDE, index)
            if not has_magic(pattern):
                self._include(document, place, pattern, chain)
                continue
            self.reading.files.add(os.path.abspath(document.directory / os.path.dirname(pattern)))
            for name in sorted(glob(pattern, root_dir=document.directory)):
                self._include(document, place, name, chain)

    def _include(self, document: Document, place: KeyPath, name: str, chain: tuple[str, ...]) -> None:
        path = os.path.normpath(os.path.join(os.path.dirname(document.name), name))
        real = os.path.realpath(document.directory / name)
        refusal = self._refusal(document, path, real, chain)
        if refusal is not None:
            self.problems.append(document.problem(place, refusal))
            return
        self._seen[real] = document.name
        try:
            part = part_of_file(document.directory / name, self.model, self.reading, name=path)
        except ConfigError as error:
            self.problems += error.problems
            self.incomplete = True
            return
        self.parts.append(part)
        self.problems += part.problems
        self.problems += _out_of_place(part)
        self.walk(part, (*chain, real))

    def _refusal(self, document: Document, path: str, real: str, chain: tuple[str, ...]) -> str | None:
        if real in chain:
            return f"{path} includes itself" if real == chain[-1] else f"{path} includes this file in turn: a circle"
        if real in self._seen:
            by = self._seen[real]
            return f"{path} is included already" + ("" if by == document.name else f", by {by}")
        if len(chain) > MAX_DEPTH:
            return f"{path} would be the file number {len(chain)} in a row that include each other; at most {MAX_DEPTH}"
        if len(self._seen) >= MAX_FILES:
            return f"more than {MAX_FILES} files"
        if not os.path.exists(real):
            self.reading.files.add(os.path.abspath(real))
            self.incomplete = True
            return f"there is no file {path}"
        return None


def join(main: Part[M], model: type[M], reading: Reading) -> tuple[Sources, M | None, tuple[Problem, ...]]:
    """Return the files that ``main`` leads to as one: where all stands, the joined model, and every problem."""
    inclusion = Inclusion(model, reading)
    if INCLUDE in model.model_fields and main.value is not None:
        inclusion.walk(main, (os.path.realpath(main.document.directory / os.path.basename(main.document.name)),))
    joined: dict[str, Any] = {}
    pieces: dict[KeyPath, tuple[Document, KeyPath]] = {}
    problems = [*main.problems, *inclusion.problems]
    sources = Sources(
        main.document,
        pieces,
        tuple(part.document for part in inclusion.parts),
        incomplete=inclusion.incomplete,
    )
    for part in inclusion.parts:
        for name in tables_that_add_up(model) if part.value is not None else ():
            if name not in joined:
                joined[name] = _copy(getattr(main.value, name))
            problems += _add(sources, pieces, joined[name], part, name)
    sources.partial = any(problem.severity is Severity.ERROR for problem in problems)
    value = main.value
    if value is not None and joined:
        update = {name: tuple(each) if isinstance(each, list) else each for name, each in joined.items()}
        value = value.model_copy(update=update)
    return sources, value, tuple(problems)


def _patterns(part: Part[Any]) -> tuple[str, ...]:
    return getattr(part.value, INCLUDE, ()) if part.value is not None else ()


def _copy(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else list(value)


def _add(sources: Sources, pieces: dict[Any, Any], whole: Any, part: Part[Any], name: str) -> list[Problem]:
    """Put what ``part`` has of the table or array ``name`` to the ``whole``; return what stands twice."""
    problems: list[Problem] = []
    if isinstance(whole, list):
        for index, element in enumerate(getattr(part.value, name)):
            pieces[name, len(whole)] = part.document, (name, index)
            whole.append(element)
        return problems
    for key, element in getattr(part.value, name).items():
        if key in whole:
            first = sources.where((name, key))
            message = f"is set already{'' if first is None else f' at {first}'}"
            problems.append(part.document.problem((name, key), message, at="key"))
        else:
            pieces[name, key] = part.document, (name, key)
            whole[key] = element
    return problems


def _out_of_place(part: Part[Any]) -> list[Problem]:
    """Return a problem for each table of an included file that only the main one may have."""
    adding = tables_that_add_up(part.document.model)
    listed = ", ".join(dotted((name,)) for name in sorted([*adding, INCLUDE]))
    return [
        part.document.problem((key,), f"belongs in the main file; an included one may hold {listed}", at="key")
        for key in part.document.data
        if key in part.document.model.model_fields and key not in adding and key != INCLUDE
    ]
