"""The base of all settings models, and what can be learned from a model about a path in the file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.fields import FieldInfo

from gateway.config.positions import Path
from gateway.config.secrets import Secret

_SECRET_WORDS = frozenset(
    {
        "apikey", "auth", "authorization", "basic", "bearer", "cookie", "credential", "credentials", "key", "keys",
        "pass", "passphrase", "passwd", "password", "pwd", "secret", "secrets", "token", "tokens",
    }
)  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


NEVER_SHOWN: dict[str, JsonValue] = {"writeOnly": True}
"""As `json_schema_extra` of a field: a secret that other code needs as a plain string."""


@dataclass(frozen=True, slots=True)
class Kind:
    """As metadata of an `Annotated` type: what a person calls its values, singular and in lower case."""

    words: str


DIGEST_KIND = Kind("SHA-256 or array of them")
"""Of fields that are never shown, lest somebody wrote the secret itself; a digest may lie open all the same."""


class Model(BaseModel):
    """A table of settings: frozen, closed to unknown keys, described by the text below each field.

    Values must have the type they are declared with: ``"1"`` is no number. Arrays arrive as tuples.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield every model that a value of type ``annotation`` may be, optional and annotated ones looked through."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from models_in(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from models_in(part)


def type_at(model: type[BaseModel], path: Path) -> Any:
    """Return the annotation of what stands at ``path``, or None where the model knows no such place."""
    annotation: Any = model
    for step in path:
        tables = list(models_in(annotation))
        if tables:
            fields = [table.model_fields[str(step)] for table in tables if step in table.model_fields]
            if not fields:
                return None
            annotation = fields[0].annotation
        else:
            annotation = _element(annotation)
    return annotation


def field_at(model: type[BaseModel], path: Path) -> FieldInfo | None:
    """Return the field that declares what stands at ``path``; None within a table of any keys, or an array."""
    for table in models_in(type_at(model, path[:-1])):
        if path[-1] in table.model_fields:
            return table.model_fields[str(path[-1])]
    return None


def kind_at(model: type[BaseModel], path: Path) -> Kind | None:
    """Return what the values at ``path`` are called, where the type of the field there says it."""
    field = field_at(model, path)
    if field is None:
        return None
    metadata = [*field.metadata, *(each for part in get_args(field.annotation) for each in _metadata(part))]
    return next((each for each in metadata if isinstance(each, Kind)), None)


@lru_cache(maxsize=8)
def secret_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of all fields, at any depth, that are declared to be secret."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        if _has(field.annotation, Secret) or field.json_schema_extra == NEVER_SHOWN:
            found.add(name)
        for inner in _all_models_in(field.annotation):
            found |= secret_keys(inner)
    return frozenset(found)


def known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that the table at ``path`` may have; none where any key may stand."""
    return [key for table in models_in(type_at(model, path)) for key in table.model_fields]


def tables_that_add_up(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the fields of ``model`` that several files can each hold a part of, with the model of one element.

    Those are tables of tables by name, and arrays of tables.
    """
    found = {}
    for name, field in model.model_fields.items():
        inner = next(models_in(_element(field.annotation)), None)
        if inner is not None and get_origin(field.annotation) in (dict, tuple):
            found[name] = inner
    return found


def is_secret(model: type[BaseModel], path: Path) -> bool:
    """Say whether what stands at ``path`` must not be shown.

    The model decides by type or mark. Where it does not know the key, which may be a misspelt one, or where a table may
    have any key, the key's own words decide: rather too much is masked than too little.
    """
    for end, step in enumerate(path, 1):
        annotation = type_at(model, path[:end])
        tables = models_in(type_at(model, path[: end - 1]))
        fields = [table.model_fields[str(step)] for table in tables if step in table.model_fields]
        if _has(annotation, Secret) or any(field.json_schema_extra == NEVER_SHOWN for field in fields):
            return True
        any_key = get_origin(type_at(model, path[: end - 1])) is dict and not _has_model(annotation)
        if (annotation is None or any_key) and isinstance(step, str) and sounds_secret(step):
            return True
    return False


def sounds_secret(key: str) -> bool:
    """Say whether one of the words in ``key`` is one for a secret."""
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(key))


def _element(annotation: Any) -> Any:
    """Return the type of the values in a dict, tuple or list type, or None."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _element(parts[0])
    if origin in (Union, UnionType):
        return next((found for found in map(_element, parts) if found is not None), None)
    return {dict: parts[-1:], tuple: parts[:1], list: parts[:1]}.get(origin, (None,))[0]


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _has(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_has(part, wanted) for part in get_args(annotation))


def _all_models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    yield from models_in(annotation)
    element = _element(annotation)
    if element is not None:
        yield from models_in(element)


def _has_model(annotation: Any) -> bool:
    return next(models_in(annotation), None) is not None
