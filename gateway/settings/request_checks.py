"""What a model cannot see in one value about what may come in: lists and CORS that do not fit together.

Each check yields problems; an error where exchanges would go wrong, a warning where something is without effect or
more open than it looks. Their order does not matter.
"""

from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.grammar.addresses import parse_listen, parse_network
from gateway.grammar.origins import ANY
from gateway.policy.addresses import AddressesSettings
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest

Problems = Iterator[Problem]


def sizes_of_heads_fit(settings: Settings, sources: Sources) -> Problems:
    """One field line cannot be longer than all of them together."""
    server = settings.server
    if server.max_header_size > server.max_headers_size:
        key = "max_headers_size" if "max_headers_size" in server.model_fields_set else "max_header_size"
        message = "max_header_size cannot act: max_headers_size is smaller"
        yield sources.warning(("server", key), message)


def proxies_are_trusted(settings: Settings, sources: Sources) -> Problems:
    """Only trusted peers may tell another address than their own."""
    server = settings.server
    if server.proxy_protocol == "required" and not settings.forwarding.trusted_peers:
        message = "nobody can connect: forwarding.trusted_peers must name the proxies that send PROXY headers"
        yield sources.problem(("server", "proxy_protocol"), message)
    if server.max_connections_per_address is not None:
        path: Path = ("server", "max_connections_per_address")
        if all(parse_listen(text).is_unix for text in server.listen) and server.proxy_protocol == "off":
            yield sources.warning(path, "cannot act: all listeners are unix sockets, whose peers have no address")
        elif server.workers > 1:
            message = f"holds for each worker: {server.workers} workers allow {server.workers} times as many together"
            yield sources.warning(path, message)
        if server.max_connections_per_address >= server.max_connections:
            yield sources.warning(path, "cannot act: max_connections is reached before")


def address_lists_can_act(settings: Settings, sources: Sources) -> Problems:
    """No address is allowed that is denied by the same table, and none is meant that cannot come."""
    tables = [(at, table.addresses) for at, table in settings.tables()]
    unix = any(parse_listen(text).is_unix for text in settings.server.listen)
    for at, lists in [(("server",), settings.server.addresses), *tables]:
        yield from _hidden(lists, (*at, "addresses"), sources)
        for key in ("allow", "deny"):
            for index, text in enumerate(getattr(lists, key) or ()):
                if text == "unix" and not unix:
                    message = "cannot act: no listener is a unix socket"
                    yield sources.warning((*at, "addresses", key, index), message)


def _hidden(lists: AddressesSettings, at: Path, sources: Sources) -> Problems:
    denied = [parse_network(text) for text in lists.deny or () if text != "unix"]
    for index, text in enumerate(lists.allow or ()):
        if text == "unix":
            covered = "unix" in (lists.deny or ())
        else:
            network = parse_network(text)
            first, last = int(network.network_address), int(network.broadcast_address)
            covered = any(
                network.version == each.version
                and int(each.network_address) <= first
                and last <= int(each.broadcast_address)
                for each in denied
            )
        if covered:
            yield sources.warning((*at, "allow", index), "cannot act: deny has all of it")


def origins_are_safe(settings: Settings, sources: Sources) -> Problems:
    """Every page there is never acts with the credentials of whoever visits it (Fetch standard section 3.2.5)."""
    for index, route in enumerate(settings.routes):
        known: list[tuple[Path, Policies]] = [(("routes", index), route)]
        if route.upstream in settings.upstreams:
            known.append((("upstreams", route.upstream), settings.upstreams[route.upstream]))
        known.append((("defaults",), settings.defaults))
        cors = nearest(*(table.cors for _, table in known))
        if ANY in cors.origins and cors.credentials:
            at = next((at for at, table in known if "credentials" in table.cors.model_fields_set), ("routes", index))
            message = 'origins has "*": every page there is would act in the name of its visitors; name the origins'
            yield sources.problem((*at, "cors", "credentials"), message)
        own = route.cors
        said = any(getattr(own, key) != type(own).model_fields[key].default for key in own.model_fields_set)
        if said and not cors.origins:
            yield sources.warning(("routes", index, "cors"), "cannot act: no origins are set", at="key")
    for at, table in settings.tables():
        if ANY in table.cors.origins and len(set(table.cors.origins) - {"null"}) > 1:
            yield sources.warning((*at, "cors", "origins"), 'the other origins cannot act beside "*"')
