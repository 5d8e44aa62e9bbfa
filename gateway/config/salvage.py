"""What remains of a configuration without its wrong parts, so that one faulty line does not hide the next one."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config.positions import Path
from gateway.config.translate import real_path

M = TypeVar("M", bound=BaseModel)

_LOST = object()
_ROUNDS = 12
"""A removal can make what is around it incomplete in turn: once for each level of tables, rarely more than three."""


def salvage(
    data: dict[str, Any], model: type[M], context: dict[str, Any], wrong: Sequence[Path]
) -> tuple[M, dict[Path, tuple[int, ...]]] | None:
    """Return a model without the values at ``wrong`` and all else that is not valid, or None if nothing can be saved.

    With it, for each array, the indexes in ``data`` of the elements that stayed.
    """
    rest = _thaw(data)
    for path in wrong:
        _remove(rest, path)
    for _ in range(_ROUNDS):
        kept: dict[Path, tuple[int, ...]] = {}
        frozen = _freeze(rest, (), (), kept)
        try:
            return model.model_validate(frozen, context=context), kept
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                path = _original(real_path(each["loc"]), kept)
                if not _remove(rest, path[:-1] if each["type"] == "missing" else path):
                    return None
    return None


def _thaw(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _thaw(each) for key, each in value.items()}
    return [_thaw(each) for each in value] if isinstance(value, tuple) else value


def _freeze(value: Any, path: Path, original: Path, kept: dict[Path, tuple[int, ...]]) -> Any:
    if isinstance(value, dict):
        return {key: _freeze(each, (*path, key), (*original, key), kept) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    stayed = tuple(index for index, each in enumerate(value) if each is not _LOST)
    if len(stayed) < len(value):
        kept[original] = stayed
    return tuple(_freeze(value[index], (*path, at), (*original, index), kept) for at, index in enumerate(stayed))


def _original(path: Path, kept: dict[Path, tuple[int, ...]]) -> Path:
    found: Path = ()
    for step in path:
        if isinstance(step, int) and found in kept:
            step = kept[found][step]
        found = (*found, step)
    return found


def _remove(data: Any, path: Path) -> bool:
    """Take out what stands at ``path``, or the nearest thing around it that is there; say whether there was any."""
    around = [data]
    for step in path:
        inner = around[-1]
        inside = step in inner if isinstance(inner, dict) else isinstance(inner, list) and isinstance(step, int)
        if not inside or inner[step] is _LOST:
            break
        around.append(inner[step])
    depth = len(around) - 1
    if depth == 0:
        return False
    table, step = around[depth - 1], path[depth - 1]
    if isinstance(table, dict):
        del table[step]
    else:
        table[step] = _LOST
    return True
