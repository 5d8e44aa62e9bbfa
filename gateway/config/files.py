"""Names of files in a configuration: relative ones start from the directory that the configuration file is in."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from gateway.config.problem import Unacceptable


def _absolute(name: str, info: ValidationInfo) -> str:
    if not name or "\0" in name:
        raise Unacceptable("the name of a file")
    directory: Path = (info.context or {}).get("directory", Path.cwd())
    return os.path.normpath(directory / name)


def _readable(name: str, info: ValidationInfo) -> str:
    path = _absolute(name, info)
    try:
        with open(path, "rb", opener=_without_waiting):
            return path
    except OSError as error:
        raise Unacceptable(message=f"cannot read {path}: {error.strerror}") from None


def _without_waiting(path: str, flags: int) -> int:
    """Open ``path`` without waiting for the other end, as a named pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def _key(text: str, info: ValidationInfo) -> str:
    return text if text.lstrip().startswith(PEM_BEGINS) else _readable(text, info)


PEM_BEGINS = "-----BEGIN "

ReadableFile = Annotated[str, AfterValidator(_readable)]
"""The absolute path of a file that this process may read now."""
KeyFileOrText = Annotated[str, AfterValidator(_key)]
"""As `ReadableFile`, or the text that would be in it, which begins with `PEM_BEGINS`."""
