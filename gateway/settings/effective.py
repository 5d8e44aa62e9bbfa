"""What holds in the end: every setting with its value as TOML, secrets masked, and the place it came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from gateway.config.document import without_queries
from gateway.config.model import Model, models_in
from gateway.config.positions import Path
from gateway.config.secrets import MASK
from gateway.config.sources import Sources
from gateway.config.toml import written
from gateway.policy.credential_settings import CredentialsSettings, as_written
from gateway.settings import Policies, Settings
from gateway.settings.policies import OF_THE_TABLE_ITSELF, nearest

BUILT_IN = "default"
INLINE = frozenset({"credentials"})
"""Tables that are shown as one value, for they hold as a whole."""


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it holds."""

    name: str
    value: str | None
    """As TOML, secrets masked; None where it is not set."""
    origin: str
    """Where it came from: ``file:line``, the table it is inherited from before it, or `BUILT_IN`."""


def of_table(table: Model, path: Path, sources: Sources) -> Iterator[Effective]:
    """Yield the settings that stand in ``table`` itself, at ``path``; not those of the tables in it."""
    values = _dumped(table)
    for name in values:
        where = sources.where((*path, name)) if name in table.model_fields_set else None
        value = _shown(values[name], (*path, name), sources)
        yield Effective(name, value, BUILT_IN if where is None else str(where))


def layers_of_route(settings: Settings, index: int) -> tuple[Path, ...]:
    """Return the paths of the tables from which the route number ``index`` takes its policies, nearest first."""
    return ("routes", index), ("upstreams", settings.routes[index].upstream), ("defaults",)


def of_policy(settings: Settings, layers: tuple[Path, ...], policy: str, sources: Sources) -> Iterator[Effective]:
    """Yield the settings of the inheriting table called ``policy``, as they hold where ``layers`` say, nearest first.

    ``layers`` are paths of routes, upstreams and `[defaults]`.
    """
    tables = [getattr(_table(settings, layer), policy) for layer in layers]
    values = _dumped(nearest(*tables))
    own = OF_THE_TABLE_ITSELF.get(policy, frozenset()) if layers[0][0] == "routes" else frozenset()
    values |= {name: value for name, value in _dumped(tables[0]).items() if name in own}
    for name in values:
        layered = tables[:1] if name in own else tables
        number = next((at for at, table in enumerate(layered) if name in table.model_fields_set), None)
        if number is None:
            yield Effective(name, _shown(values[name], (), sources), BUILT_IN)
            continue
        path = (*layers[number], policy, name)
        where = sources.where(path)
        origin = BUILT_IN if where is None else str(where)
        if number > 0:
            origin = f"{_called(layers[number])}, {origin}"
        yield Effective(name, _shown(values[name], path, sources), origin)


def _table(settings: Settings, path: Path) -> Policies:
    if path[0] == "routes":
        return settings.routes[int(path[1])]
    return settings.defaults if path == ("defaults",) else settings.upstreams[str(path[1])]


def _called(layer: Path) -> str:
    return f"upstream {layer[1]}" if layer[0] == "upstreams" else "[defaults]"


def _dumped(table: Model) -> dict[str, Any]:
    """Return the values of ``table`` as a file would have them, without the tables in it."""
    plain = {
        name
        for name, field in type(table).model_fields.items()
        if name in INLINE or (next(models_in(field.annotation), None) is None and not _of_tables(field.annotation))
    }
    values = table.model_dump(include=plain)
    for name in INLINE & values.keys():
        if isinstance(credentials := getattr(table, name), CredentialsSettings):  # CORS has a setting of that name.
            values[name] = as_written(credentials)
    return values


def _of_tables(annotation: Any) -> bool:
    """Say whether ``annotation`` is one of tables by name."""
    return get_origin(annotation) is dict and next(models_in(get_args(annotation)[1]), None) is not None


def _shown(value: Any, path: Path, sources: Sources) -> str | None:
    return None if value is None else written(_masked(value, path, sources))


def _masked(value: Any, path: Path, sources: Sources) -> Any:
    if path and sources.hides(path):
        return MASK
    if isinstance(value, dict):
        # What is not set in a table of an array has no value that would say the same.
        return {key: _masked(each, (*path, key), sources) for key, each in value.items() if each is not None}
    if isinstance(value, tuple):
        return tuple(_masked(each, (*path, index), sources) for index, each in enumerate(value))
    return without_queries(value) if isinstance(value, str) else value
