"""``gateway config``: the configuration as it holds in the end, and where each value came from."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.reading import config_option, read_checked

if TYPE_CHECKING:
    from gateway.assemble import Checked
    from gateway.settings.effective import Effective

_COMMENTS_AT = 48
"""The column at which the places stand, where the values before them leave room."""


@click.command()
@config_option
def config(path: Path) -> None:
    """Print the configuration as it holds: every value, secrets masked, and where it came from."""
    for line in written_out(read_checked(path)):
        click.echo(line)


def written_out(found: "Checked") -> Iterator[str]:
    """Yield the lines of a TOML text that says all that ``found`` does, and leaves nothing to be inherited."""
    from gateway.config.problem import dotted
    from gateway.settings.effective import layers_of_route, of_table

    settings, sources = found.settings, found.sources
    files = [sources.main.name, *(document.name for document in sources.included)]
    yield f"# What {', '.join(files)} say{'s' if len(files) == 1 else ''} in the end. Secrets are masked."
    for name in ("server", "admin", "log", "forwarding", "shared", "store"):
        if (table := getattr(settings, name)) is None:
            continue
        yield from _table(f"[{name}]", of_table(table, (name,), sources))
        for key in ("addresses", "tls"):
            if (inner := getattr(table, key, None)) is not None:
                yield from _table(f"[{name}.{key}]", of_table(inner, (name, key), sources))
    yield from _callers(found)
    yield from _policies(found, "defaults", (("defaults",),))
    for name, upstream in settings.upstreams.items():
        header = dotted(("upstreams", name))
        yield from _table(f"[{header}]", of_table(upstream, ("upstreams", name), sources))
        if upstream.tls.model_fields_set or any(each.url.lower().startswith("https:") for each in upstream.endpoints):
            yield from _table(f"[{header}.tls]", of_table(upstream.tls, ("upstreams", name, "tls"), sources))
        for key in ("breaker", "health"):
            if (inner := getattr(upstream, key)) is not None:
                yield from _table(f"[{header}.{key}]", of_table(inner, ("upstreams", name, key), sources))
        yield from _policies(found, header, (("upstreams", name), ("defaults",)))
    for index, route in enumerate(settings.routes):
        yield from _table(
            "[[routes]]", _named(of_table(route, ("routes", index), sources), found.plan.routes[index].name)
        )
        yield from _policies(found, "routes", layers_of_route(settings, index))


def _callers(found: "Checked") -> Iterator[str]:
    from gateway.config.problem import dotted
    from gateway.settings.effective import of_table

    callers, sources = found.settings.callers, found.sources
    plain = (each for each in of_table(callers, ("callers",), sources) if each.name.startswith("key_"))
    yield from _table("[callers]", plain)
    for kind in ("keys", "users", "certificates", "jwt", "forward_auth"):
        for name, table in getattr(callers, kind).items():
            path = ("callers", kind, name)
            yield from _table(f"[{dotted(path)}]", of_table(table, path, sources))


def _policies(found: "Checked", header: str, layers: tuple[tuple[str | int, ...], ...]) -> Iterator[str]:
    from gateway.settings import Policies
    from gateway.settings.effective import of_policy

    for policy in Policies.model_fields:
        yield from _table(f"[{header}.{policy}]", of_policy(found.settings, layers, policy, found.sources))


def _named(values: Iterable["Effective"], name: str) -> Iterator["Effective"]:
    """Give a route without a name the one that was made for it."""
    from gateway.config.toml import written
    from gateway.settings.effective import Effective

    for each in values:
        made = each.name == "name" and each.value is None
        yield Effective("name", written(name), "made from path") if made else each


def _table(header: str, values: Iterable["Effective"]) -> Iterator[str]:
    yield ""
    yield header
    for each in values:
        line = f"# {each.name} is not set" if each.value is None else f"{each.name} = {each.value}"
        yield f"{line.ljust(_COMMENTS_AT - 2)}  # {each.origin}"
