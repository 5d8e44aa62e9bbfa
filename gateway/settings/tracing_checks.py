"""What is questionable about `[tracing]` as a whole."""

from collections.abc import Iterator
from importlib.util import find_spec

from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.settings import Settings
from gateway.settings.tls_files import authorities_fault


def tracing_can_act(settings: Settings, sources: Sources) -> Iterator[Problem]:
    """Spans can be sent by what is installed, and no setting is without effect."""
    tracing = settings.tracing
    given = tracing.model_fields_set
    if tracing.endpoint is None:
        for name in sorted(given if sources.where(("tracing", "endpoint")) is None else ()):
            message = "cannot act: [tracing] has no endpoint, nothing is traced"
            yield sources.problem(("tracing", name), message, at="key", severity=Severity.WARNING)
        return
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.proto") is None:
        message = "needs the extra `otel`, which is not installed: pip install 'slowgate[otel]'"
        yield sources.problem(("tracing", "endpoint"), message)
    secure = tracing.endpoint.lower().startswith("https:")
    if tracing.ca is not None and (fault := authorities_fault(tracing.ca)) is not None:
        yield sources.problem(("tracing", "ca"), fault)
    elif tracing.ca is not None and not secure:
        message = "cannot act: the endpoint is not https"
        yield sources.problem(("tracing", "ca"), message, severity=Severity.WARNING)
    if tracing.trust == "trusted_peers" and not settings.forwarding.trusted_peers:
        message = "cannot act: [forwarding] has no trusted_peers, no trace is continued"
        yield sources.problem(("tracing", "trust"), message, severity=Severity.WARNING)
    if tracing.sample is None and tracing.trust == "none":
        message = "nothing is sampled: no trace that begins here, and none is continued"
        yield sources.problem(("tracing", "sample"), message, severity=Severity.WARNING)
