"""What a model cannot see in one value: settings that do not fit each other, or cannot act.

Each check yields problems; an error where exchanges would go wrong, a warning where something is without effect or
more open than it looks. Their order does not matter.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

from gateway.config.files import PEM_BEGINS
from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.grammar.addresses import parse_listen, parse_network
from gateway.settings import (
    Settings,
    admin_checks,
    caller_checks,
    compression_checks,
    convert_checks,
    credential_checks,
    header_checks,
    hedge_checks,
    identity_checks,
    limit_checks,
    peek_checks,
    quota_checks,
    request_checks,
    retry_checks,
    route_checks,
    store_checks,
    stream_checks,
    tracing_checks,
    upstream_checks,
)
from gateway.settings.tls_files import authorities_fault, certificate_fault, readable_by_all

Problems = Iterator[Problem]


def check(settings: Settings, sources: Sources) -> list[Problem]:
    """Return all that is wrong with ``settings`` beyond single values; ``sources`` tells where it stands.

    Of a partial model only what does not follow from the missing parts is told.
    """
    checks = _CHECKS if sources.partial else (*_CHECKS, *_CHECKS_OF_WHOLE)
    return [problem for each in checks for problem in each(settings, sources)]


def _upstreams_have_endpoints(settings: Settings, sources: Sources) -> Problems:
    for name, upstream in settings.upstreams.items():
        if not upstream.endpoints:
            path = ("upstreams", name, *(("endpoints",) if "endpoints" in upstream.model_fields_set else ()))
            message = 'no endpoints; write endpoints = ["http://HOST:PORT"]'
            yield sources.problem(path, message, at="key")


def _listeners_tls_files_fit(settings: Settings, sources: Sources) -> Problems:
    for table, tls in (("server", settings.server.tls), ("admin", settings.admin.tls)):
        if tls is None:
            continue
        at = (table, "tls")
        if (fault := certificate_fault(tls.certificate, tls.key)) is not None:
            yield sources.problem((*at, "certificate"), fault)
        elif not tls.key.lstrip().startswith(PEM_BEGINS) and readable_by_all(tls.key):
            message = "every user of this machine can read this file; let only its owner and group read it"
            yield sources.problem((*at, "key"), message, severity=Severity.WARNING)
        if tls.client_ca is not None and (fault := authorities_fault(tls.client_ca)) is not None:
            yield sources.problem((*at, "client_ca"), fault)


def _upstream_tls_can_act(settings: Settings, sources: Sources) -> Problems:
    for name, upstream in settings.upstreams.items():
        at, tls = ("upstreams", name, "tls"), upstream.tls
        if tls.ca is not None and (fault := authorities_fault(tls.ca)) is not None:
            yield sources.problem((*at, "ca"), fault)
        if tls.ca is not None and not tls.verify:
            message = "cannot act: verify = false lets every certificate pass"
            yield sources.problem((*at, "ca"), message, severity=Severity.WARNING)
        if tls.model_fields_set and not any(each.url.lower().startswith("https:") for each in upstream.endpoints):
            message = "cannot act: no endpoint of this upstream is https"
            yield sources.problem(at, message, at="key", severity=Severity.WARNING)


def _idle_connections_can_be_kept(settings: Settings, sources: Sources) -> Problems:
    for name, upstream in settings.upstreams.items():
        given = upstream.model_fields_set
        if upstream.max_idle_connections == 0 and "keepalive" in given and upstream.keepalive > 0:
            message = "cannot act: max_idle_connections = 0 keeps none"
            yield sources.problem(("upstreams", name, "keepalive"), message, severity=Severity.WARNING)
        elif upstream.keepalive == 0 and "max_idle_connections" in given and upstream.max_idle_connections > 0:
            message = 'cannot act: keepalive = "0s" keeps none'
            yield sources.problem(("upstreams", name, "max_idle_connections"), message, severity=Severity.WARNING)


def _listeners_are_apart(settings: Settings, sources: Sources) -> Problems:
    listeners: list[tuple[Path, str]] = [
        (("server", "listen", i), text) for i, text in enumerate(settings.server.listen)
    ]
    if settings.admin.listen is not None:
        listeners.append((("admin", "listen"), settings.admin.listen))
    for (first_path, first), (path, text) in combinations(listeners, 2):
        if parse_listen(first).collides_with(parse_listen(text)):
            # One of both may be built in; what the file says is what can be changed.
            if sources.where(path) is None:
                path, first_path, text, first = first_path, path, first, text
            other = f"{sources.label(first_path)} ({sources.shown(first, first_path)})"
            yield sources.problem(path, f"collides with {other}")


def _limits_hold_for_each_worker(settings: Settings, sources: Sources) -> Problems:
    server = settings.server
    if server.workers > 1 and "max_connections" in server.model_fields_set:
        together = f"{server.workers} workers keep up to {server.workers * server.max_connections} connections"
        path = ("server", "max_connections")
        yield sources.problem(path, f"holds for each worker: {together}", severity=Severity.WARNING)


def _trusted_peers_can_be_met(settings: Settings, sources: Sources) -> Problems:
    """Peers that are believed can come, and are not everyone."""
    unix = [parse_listen(text).is_unix for text in settings.server.listen]
    for index, peer in enumerate(settings.forwarding.trusted_peers):
        path: Path = ("forwarding", "trusted_peers", index)
        message = ""
        if peer == "unix" and not any(unix):
            message = "cannot act: no listener is a unix socket"
        elif peer != "unix" and all(unix):
            message = "cannot act: all listeners are unix sockets, whose peers have no address"
        elif peer != "unix" and parse_network(peer).prefixlen == 0:
            message = "believes everyone: any client can claim to be any other"
        if message:
            yield sources.problem(path, message, severity=Severity.WARNING)


def _upstreams_are_used(settings: Settings, sources: Sources) -> Problems:
    used = {route.upstream for route in settings.routes}
    if not used or not used <= settings.upstreams.keys():
        return  # The missing use is probably the misspelt one.
    for name in settings.upstreams:
        if name not in used:
            yield sources.problem(("upstreams", name), "no route uses it", at="key", severity=Severity.WARNING)


_CHECKS: tuple[Callable[[Settings, Sources], Problems], ...] = (
    route_checks.upstreams_exist,
    route_checks.names_are_unique,
    route_checks.matches_differ,
    route_checks.matches_can_happen,
    route_checks.rewrites_can_act,
    route_checks.timeouts_can_act,
    compression_checks.compression_can_act,
    retry_checks.retries_can_act,
    retry_checks.waits_fit_the_total,
    retry_checks.budgets_hold_for_each_worker,
    stream_checks.streams_can_act,
    peek_checks.peeks_can_act,
    peek_checks.drains_can_act,
    peek_checks.retries_behind_the_head_can_act,
    hedge_checks.hedges_can_act,
    limit_checks.limits_hold_for_each_worker,
    limit_checks.limits_do_not_hide_each_other,
    limit_checks.queues_have_a_limit,
    limit_checks.waiting_can_happen,
    convert_checks.nothing_is_offered_twice,
    convert_checks.conversions_can_act,
    request_checks.sizes_of_heads_fit,
    request_checks.proxies_are_trusted,
    request_checks.address_lists_can_act,
    request_checks.origins_are_safe,
    header_checks.header_rules_can_act,
    header_checks.header_rules_are_not_undone,
    quota_checks.amounts_fit,
    quota_checks.names_mean_one_rule,
    quota_checks.quotas_hold_for_each_worker,
    quota_checks.shared_can_act,
    quota_checks.tokens_are_counted,
    _upstreams_have_endpoints,
    upstream_checks.endpoints_differ,
    upstream_checks.choices_can_act,
    upstream_checks.hashing_is_whole,
    upstream_checks.breakers_can_grow,
    upstream_checks.workers_know_for_themselves,
    upstream_checks.link_local_is_meant,
    _upstream_tls_can_act,
    credential_checks.credentials_agree,
    credential_checks.credentials_can_act,
    credential_checks.credentials_are_not_told_to_all,
    credential_checks.tokens_can_be_fetched,
    credential_checks.upstream_certificates_fit,
    identity_checks.credentials_are_not_lent_to_all,
    identity_checks.callers_with_credentials_are_asked,
    identity_checks.header_rules_know_who_asks,
    _idle_connections_can_be_kept,
    _listeners_tls_files_fit,
    store_checks.the_store_can_act,
    tracing_checks.tracing_can_act,
    _listeners_are_apart,
    _limits_hold_for_each_worker,
    admin_checks.admin_asks_other_machines,
    admin_checks.admin_tokens_are_whole,
    admin_checks.admin_settings_can_act,
    _trusted_peers_can_be_met,
    caller_checks.ways_lead_somewhere,
    caller_checks.callers_are_told_apart,
    caller_checks.tokens_are_pinned,
    caller_checks.places_can_be_trusted,
    caller_checks.scopes_can_be_had,
)
_CHECKS_OF_WHOLE: tuple[Callable[[Settings, Sources], Problems], ...] = (
    route_checks.there_are_routes,
    caller_checks.callers_are_asked_for,
    _upstreams_are_used,
)
