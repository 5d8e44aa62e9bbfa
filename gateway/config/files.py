"""Names of files in a configuration: relative ones start from the directory that the configuration file is in.

The context of a validation has that `directory`, and `files`, a set that gets every file that a setting names.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable


def absolute(name: str, info: ValidationInfo) -> str:
    """Return the whole path of the file ``name``; raise `Unacceptable` where it is no name."""
    if not name or "\0" in name:
        raise Unacceptable("the name of a file")
    directory: Path = (info.context or {}).get("directory", Path.cwd())
    return os.path.normpath(directory / name)


def _readable(name: str, info: ValidationInfo) -> str:
    path = absolute(name, info)
    files: set[str] = (info.context or {}).get("files", set())
    files.add(path)
    try:
        with open(path, "rb", opener=_without_waiting):
            return path
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise Unacceptable(message=message, discreet=f"cannot read the file: {error.strerror}") from None


def _without_waiting(path: str, flags: int) -> int:
    """Open ``path`` without waiting for the other end, as a named pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def _key(text: str, info: ValidationInfo) -> str:
    return text if text.lstrip().startswith(PEM_BEGINS) else _readable(text, info)


PEM_BEGINS = "-----BEGIN "
KEY_KIND = Kind("file name or PEM text")

ReadableFile = Annotated[str, AfterValidator(_readable), Kind("file name")]
"""The absolute path of a file that this process may read now."""
KeyFileOrText = Annotated[str, AfterValidator(_key), KEY_KIND]
"""As `ReadableFile`, or the text that would be in it, which begins with `PEM_BEGINS`."""
