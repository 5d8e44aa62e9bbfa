"""What the model of `gateway.toml` says about its settings, for the pages and files that are made from it."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.model import Kind, models_in
from gateway.config.toml import written


@dataclass(frozen=True)
class Setting:
    """One setting of a table."""

    name: str
    kind: str
    """What its values are called."""
    default: str | None
    """As TOML; None where there is no value that would say the same."""
    required: bool
    example: str | None
    """As TOML."""
    text: str
    """What the model says, on one line."""


def settings_of(model: type[BaseModel]) -> Iterator[Setting]:
    """Yield the settings of the table ``model``, in its order; not those of tables that have settings of their own."""
    for name, field in model.model_fields.items():
        yield Setting(
            name=name,
            kind=_kind(field),
            default=_default(model, name),
            required=field.is_required() or "; required." in (field.description or ""),
            example=written(_tupled(field.examples[0])) if field.examples else None,
            text=" ".join((field.description or "").split()),
        )


def _kind(field: FieldInfo) -> str:
    named = next((each.words for each in field.metadata if isinstance(each, Kind)), None)
    return named or _called(field.annotation)


def _called(annotation: Any) -> str:
    """Return what the values of a type are called."""
    parts = get_args(annotation)
    kind = next((each.words for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Kind)), None)
    if kind is not None:
        return kind
    if next(models_in(annotation), None) is not None:
        return "table"
    match get_origin(annotation):
        case origin if origin in (Union, types.UnionType):
            return " or ".join(_called(part) for part in parts if part is not type(None))
        case origin if origin is Literal:
            return " or ".join(written(part) for part in parts)
        case origin if origin is tuple:
            return f"array of {_several(_called(parts[0]))}"
        case origin if origin is dict:
            return (
                "tables by name"
                if _called(parts[1]) == "table"
                else f"table: {_called(parts[0])} = {_called(parts[1])}"
            )
    return {bool: "true or false", int: "whole number", str: "string"}[annotation]


def _several(kind: str) -> str:
    return kind if kind.endswith("s") else f"{kind}s"


def _default(model: type[BaseModel], name: str) -> str | None:
    field = model.model_fields[name]
    if field.is_required() or next(models_in(field.annotation), None) is not None:
        return None
    made = model.model_construct(**{name: field.get_default(call_default_factory=True)})
    value = made.model_dump(include={name}).get(name)
    return None if value is None else written(value)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
