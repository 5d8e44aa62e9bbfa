"""A configuration file read, or everything that is wrong with it told at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from gateway.config.document import Document
from gateway.config.include import join
from gateway.config.part import MAX_OCTETS as MAX_OCTETS
from gateway.config.part import Part, Reading, part_of_file, part_of_text
from gateway.config.problem import ConfigError, Problem, in_order
from gateway.config.sources import Sources

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Examined(Generic[M]):
    """What came of a configuration: the model, and all that was found wrong."""

    sources: Sources
    problems: tuple[Problem, ...]
    value: M | None
    """With errors among the problems, what could be made of the rest, for further checks only; None if nothing."""

    @property
    def document(self) -> Document:
        """The main file."""
        return self.sources.main


def load(path: Path, model: type[M]) -> M:
    """Return the settings in the file ``path``; raise `ConfigError` with every problem it has."""
    return _sound(examine(path, model))


def load_text(text: str, name: str, model: type[M], *, directory: Path | None = None) -> M:
    """As `load`, for a text that messages call ``name``; relative file names start from ``directory``."""
    return _sound(examine_text(text, name, model, directory=directory))


def examine(
    path: Path, model: type[M], *, environ: Mapping[str, str] = os.environ, files: set[str] | None = None
) -> Examined[M]:
    """Read the file ``path``, and what it includes, and check it.

    Nothing is remembered: references and files are looked up anew each time. ``files`` gets the absolute path of all
    that was looked at, also where that failed: the files themselves, those that settings and references name, and the
    directories in which patterns looked. Raises `ConfigError` only where there is no TOML to check.
    """
    reading = Reading(environ, set() if files is None else files)
    return _joined(part_of_file(path, model, reading), model, reading)


def examine_text(
    text: str,
    name: str,
    model: type[M],
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Examined[M]:
    """Check ``text`` as `examine` does a file's."""
    reading = Reading(environ)
    directory = Path.cwd() if directory is None else directory
    return _joined(part_of_text(text, name, directory, model, reading), model, reading)


def _joined(main: Part[M], model: type[M], reading: Reading) -> Examined[M]:
    sources, value, problems = join(main, model, reading)
    return Examined(sources, in_order(problems), value)


def _sound(examined: Examined[M]) -> M:
    if examined.value is None or examined.sources.partial:
        raise ConfigError(examined.problems)
    return examined.value
