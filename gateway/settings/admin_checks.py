"""What is wrong with, or questionable about, `[admin]` beyond single values."""

from collections.abc import Iterator

from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.grammar.addresses import parse_listen
from gateway.settings import Settings

Problems = Iterator[Problem]


def admin_asks_other_machines(settings: Settings, sources: Sources) -> Problems:
    """Whoever comes from elsewhere must show something, and not where everybody on the way can read it."""
    admin = settings.admin
    if admin.listen is None or parse_listen(admin.listen).is_local:
        return
    if not admin.asks:
        message = "other machines can reach the admin listener, which would ask nobody who they are: give it tokens"
        message += ' ([[admin.tokens]]) or client certificates ([admin.tls] client_ca), or listen on "127.0.0.1:8081"'
        yield sources.problem(("admin", "listen"), message)
    elif admin.tls is None:
        message = "tokens cross the network in the clear: give the admin listener a certificate ([admin.tls])"
        yield sources.problem(("admin", "listen"), message, severity=Severity.WARNING)


def admin_tokens_are_whole(settings: Settings, sources: Sources) -> Problems:
    """Each has one of both forms, and a name of its own."""
    seen: dict[str, int] = {}
    for index, each in enumerate(settings.admin.tokens):
        at = ("admin", "tokens", index)
        if each.token is None and each.sha256 is None:
            yield sources.problem(at, "neither token nor sha256: nobody could show it", at="key")
        elif each.token is not None and each.sha256 is not None:
            yield sources.problem((*at, "sha256"), "cannot act: token is given, too", at="key")
        if each.name in seen:
            other = sources.beside(("admin", "tokens", seen[each.name], "name"), at)
            yield sources.problem((*at, "name"), f"another token has this name{other}")
        seen.setdefault(each.name, index)


def admin_settings_can_act(settings: Settings, sources: Sources) -> Problems:
    """Nothing is set for a listener that is off, and nothing that needs something else."""
    admin = settings.admin
    given = admin.model_fields_set
    if admin.listen is None:
        for name in ("hosts", "tls", "tokens"):
            if name in given and getattr(admin, name):
                message = 'cannot act: listen = "off"'
                yield sources.problem(("admin", name), message, at="key", severity=Severity.WARNING)
        return
    if admin.hosts and parse_listen(admin.listen).is_unix:
        message = "cannot act: on a unix socket the name does not matter"
        yield sources.problem(("admin", "hosts"), message, at="key", severity=Severity.WARNING)
    if admin.tls is not None and admin.tls.control and admin.tls.client_ca is None:
        message = "cannot act: without client_ca nobody shows a certificate"
        yield sources.problem(("admin", "tls", "control"), message, at="key", severity=Severity.WARNING)
