"""Credentials that contradict each other, that cannot act, or that anybody on the way could read."""

from collections.abc import Iterator
from ipaddress import ip_address

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.policy.credential_settings import CredentialSettings, CredentialsSettings, split_token_url
from gateway.settings import Settings
from gateway.settings.tls_files import authorities_fault, certificate_fault, key_file, readable_by_all

Problems = Iterator[Problem]


def credentials_agree(settings: Settings, sources: Sources) -> Problems:
    """A request has one Authorization field, and each of its own fields once."""
    for at, table in _tables(settings):
        for path, each in _with_callers(at, table):
            ways = each.authorizing()
            if len(ways) > 1:
                message = f"{' and '.join(ways)} both make an Authorization field; a request has one"
                yield sources.problem((*path, ways[1]), message, at="key")
            names = [name.lower() for name in each.headers]
            if each.hmac is not None and each.hmac.header.lower() in names:
                message = "is also one of headers; a signature needs a field of its own"
                yield sources.problem((*path, "hmac", "header"), message)
            if len(set(names)) < len(names):
                yield sources.problem((*path, "headers"), "the same field is there twice", at="key")


def credentials_can_act(settings: Settings, sources: Sources) -> Problems:
    """What is said about callers does something, and a general credential has an endpoint that gets it."""
    for at, table in _tables(settings):
        own = table.credential() is not None
        if table.by_principal and own and table.otherwise == "refuse":
            message = 'others get 403, so that what stands beside by_principal cannot act; to give it, "default"'
            where = "otherwise" if "otherwise" in table.model_fields_set else "by_principal"
            yield sources.warning((*at, where), message, at="key")
        elif "otherwise" in table.model_fields_set and not table.by_principal:
            yield sources.warning((*at, "otherwise"), "cannot act: by_principal has nobody", at="key")
    for name, upstream in settings.upstreams.items():
        if not upstream.endpoints or any(each.credentials is None for each in upstream.endpoints):
            continue
        message = "cannot act: every endpoint has its own"
        if upstream.credentials is not None:
            yield sources.warning(("upstreams", name, "credentials"), message, at="key")
        for index, route in enumerate(settings.routes):
            if route.upstream == name and route.credentials is not None:
                yield sources.warning(("routes", index, "credentials"), message, at="key")


def credentials_are_not_told_to_all(settings: Settings, sources: Sources) -> Problems:
    """What proves who asks goes through TLS, or does not leave the machine."""
    for name, upstream in settings.upstreams.items():
        open_ones = [parse_endpoint(each.url) for each in upstream.endpoints]
        general: list[tuple[Path, CredentialsSettings | None]] = [(("upstreams", name), upstream.credentials)]
        general += [
            (("routes", at), each.credentials) for at, each in enumerate(settings.routes) if each.upstream == name
        ]
        for path, table in general:
            taken = zip(open_ones, upstream.endpoints, strict=True)
            exposed = next((each for each, said in taken if said.credentials is None and _in_the_open(each)), None)
            if table is not None and table.compiled() is not None and exposed is not None:
                yield sources.warning((*path, "credentials"), f"goes to {exposed} without TLS: {_READABLE}", at="key")
        for index, said in enumerate(upstream.endpoints):
            own = said.credentials
            if own is not None and own.compiled() is not None and _in_the_open(open_ones[index]):
                yield sources.warning(
                    (*_endpoint(name, index), "credentials"), f"goes up without TLS: {_READABLE}", at="key"
                )
    for at, table in _tables(settings):
        for path, each in _with_callers(at, table):
            if each.oauth2 is not None and _in_the_open(split_token_url(each.oauth2.token_url)[0]):
                yield sources.warning((*path, "oauth2", "token_url"), f"is not https: {_READABLE}", at="key")


def tokens_can_be_fetched(settings: Settings, sources: Sources) -> Problems:
    """Authorities can be used; what is held is held by each worker."""
    workers = settings.server.workers
    for at, table in _tables(settings):
        for path, each in _with_callers(at, table):
            if each.oauth2 is None:
                continue
            if each.oauth2.ca is not None and (fault := authorities_fault(each.oauth2.ca)) is not None:
                yield sources.problem((*path, "oauth2", "ca"), fault)
            if workers > 1:
                message = f"holds for each worker: each of the {workers} fetches a token of its own"
                yield sources.warning((*path, "oauth2"), message, at="key")


def upstream_certificates_fit(settings: Settings, sources: Sources) -> Problems:
    """What the gateway shows to endpoints can be shown."""
    for name, upstream in settings.upstreams.items():
        at: Path = ("upstreams", name, "tls")
        certificate, key = upstream.tls.certificate, upstream.tls.key
        if certificate is None:
            if key is not None:
                yield sources.problem((*at, "key"), "a key needs its certificate: write certificate, too")
            continue
        if (fault := certificate_fault(certificate, certificate if key is None else key)) is not None:
            yield sources.problem((*at, "certificate"), fault)
            continue
        with key_file(certificate if key is None else key) as path:
            if not path.startswith("/proc/") and readable_by_all(path):
                message = "every user of this machine can read the key; let only its owner and group read it"
                yield sources.warning((*at, "certificate" if key is None else "key"), message, at="key")


_READABLE = "anybody on the way can read and use it"


def _tables(settings: Settings) -> Iterator[tuple[Path, CredentialsSettings]]:
    """Yield each table of credentials and its place."""
    for name, upstream in settings.upstreams.items():
        if upstream.credentials is not None:
            yield ("upstreams", name, "credentials"), upstream.credentials
        for index, each in enumerate(upstream.endpoints):
            if each.credentials is not None:
                yield (*_endpoint(name, index), "credentials"), each.credentials
    for at, route in enumerate(settings.routes):
        if route.credentials is not None:
            yield ("routes", at, "credentials"), route.credentials


def _with_callers(at: Path, table: CredentialsSettings) -> Iterator[tuple[Path, CredentialSettings]]:
    yield at, table
    for principal, each in table.by_principal.items():
        yield (*at, "by_principal", principal), each


def _endpoint(upstream: str, index: int) -> Path:
    return ("upstreams", upstream, "endpoints", index)


def _in_the_open(endpoint: Endpoint) -> bool:
    """Say whether what goes to ``endpoint`` leaves the machine without TLS, as far as its name tells."""
    if endpoint.scheme == "https" or endpoint.unix:
        return False
    try:
        return not ip_address(endpoint.host).is_loopback
    except ValueError:
        return endpoint.host != "localhost" and not endpoint.host.endswith(".localhost")
