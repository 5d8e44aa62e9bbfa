"""References to secrets in string values, and values that do not show themselves.

``${env:NAME}`` stands for an environment variable, ``${env:NAME:-default}`` for one with a default where it is unset or
empty, ``${file:PATH}`` for the text of a file without its last line break. References nest, so that
``${file:${env:CREDENTIALS_DIRECTORY}/key}`` works; what a reference brings is never searched for further ones.
``$${`` stands for a plain ``${``.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gateway.config.problem import Unacceptable

MASK = "***"
MAX_FILE_OCTETS = 1 << 20
"""No secret is larger; it keeps a mistaken path from filling the memory."""

_MARK = re.compile(r"\$\$\{|\$\{|\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYNTAX = '"${env:NAME}", "${env:NAME:-default}" or "${file:PATH}"'


class Secret:
    """A text that prints as ``***`` wherever it goes; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for the place that needs it, never for a log, an error or a page."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(strict=True, min_length=1),
            serialization=core_schema.to_string_ser_schema(),
        )


@dataclass(slots=True)
class References:
    """Where references lead: an environment, and the directory that relative file names start from."""

    directory: FilePath
    environ: Mapping[str, str]
    readable_by_all: list[str] = field(default_factory=list)
    """Files read so far that every user of the machine may read."""
    brought: int = 0
    """How often a text came from outside; a default that stands in the reference itself does not."""
    files: set[str] = field(default_factory=set)
    """Gets the absolute path of every file that a reference names, whether it could be read or not."""

    def expand(self, text: str) -> str:
        """Return ``text`` with every reference replaced; raise `Unacceptable` for one that leads nowhere."""
        pieces, at = [], 0
        while (mark := _MARK.search(text, at)) is not None:
            pieces.append(text[at : mark.start()])
            at = mark.end()
            if mark[0] == "${":
                end = _closing(text, at)
                pieces.append(self._resolve(text[at:end]))
                at = end + 1
            else:
                pieces.append(mark[0].removeprefix("$"))
        return "".join(pieces) + text[at:]

    def _resolve(self, body: str) -> str:
        kind, _, rest = body.partition(":")
        if kind == "env":
            return self._variable(rest)
        if kind == "file":
            return self._file(self.expand(rest), rest)
        suggestion = f"${{env:{body}}}" if _NAME.fullmatch(body) else None
        raise Unacceptable(
            f'{_SYNTAX}, or "$${{" for a plain "${{"', message="unknown reference", suggestion=suggestion
        )

    def _variable(self, rest: str) -> str:
        name, has_default, default = rest.partition(":-")
        if not _NAME.fullmatch(name):
            raise Unacceptable(_SYNTAX, message="no name of an environment variable")
        if self.environ.get(name):
            self.brought += 1
            return self.environ[name]
        if has_default:
            return self.expand(default)
        state = "empty" if name in self.environ else "not set"
        raise Unacceptable(message=f"the environment variable {name} is {state}")

    def _file(self, name: str, written: str) -> str:
        """Return the text of the file ``name``, which is told as it is ``written`` where a reference is part of it."""
        path = self.directory / name
        shown = written if "${" in written else str(path)
        self.files.add(os.path.abspath(path))
        try:
            with open(path, "rb", opener=_without_waiting) as file:
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise Unacceptable(message=f"{shown} is not a regular file")
                octets = file.read(MAX_FILE_OCTETS + 1)
            text = octets.decode()
        except OSError as error:
            raise Unacceptable(message=f"cannot read {shown}: {error.strerror}") from None
        except ValueError as error:
            if isinstance(error, Unacceptable):
                raise
            raise Unacceptable(message="the file is not UTF-8 text, or its name is none") from None
        if len(octets) > MAX_FILE_OCTETS:
            raise Unacceptable(message=f"{shown} is larger than {MAX_FILE_OCTETS} octets")
        self.brought += 1
        if mode & stat.S_IROTH:
            self.readable_by_all.append(shown)
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _without_waiting(path: str, flags: int) -> int:
    """Open ``path`` without waiting for the other end, as a named pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def _closing(text: str, at: int) -> int:
    """Return the offset of the ``}`` that closes the reference whose body begins at ``at``."""
    depth = 1
    for mark in _MARK.finditer(text, at):
        depth += {"${": 1, "}": -1}.get(mark[0], 0)
        if depth == 0:
            return mark.start()
    raise Unacceptable(_SYNTAX, message='a reference is not closed with "}"')
