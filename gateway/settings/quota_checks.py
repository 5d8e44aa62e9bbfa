"""What a model cannot see in one value of quotas: amounts that do not fit, rules that clash, counts nobody makes."""

from collections.abc import Iterator
from importlib.util import find_spec

from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.exchange.route import Stream
from gateway.policy.quotas import KIND_OF, BudgetSettings, RateSettings
from gateway.settings import Settings
from gateway.settings.policies import nearest
from gateway.settings.shared import SharedSettings

Problems = Iterator[Problem]
_MOST_RULES = 16
_KEYS = ("rates", "max_streams_per_principal", "budgets")
_WANTED = {
    "size": 'bytes are counted in sizes, as in "10GiB/day"',
    "duration": 'stream_time is counted in durations, as in "24h/day"',
    "count": 'tokens are counted in numbers, as in "1M/day"',
}


def amounts_fit(settings: Settings, sources: Sources) -> Problems:
    """The amount of a budget is of the kind that it counts, and there are not too many rules."""
    for at, table in settings.tables():
        for index, budget in enumerate(table.limits.budgets):
            if budget.limit.kind != KIND_OF[budget.of]:
                yield sources.problem((*at, "limits", "budgets", index, "limit"), _WANTED[KIND_OF[budget.of]])
        for key in ("rates", "budgets"):
            if len(getattr(table.limits, key)) > _MOST_RULES:
                yield sources.problem((*at, "limits", key), f"more than {_MOST_RULES} rules")


def names_mean_one_rule(settings: Settings, sources: Sources) -> Problems:
    """Rules that count together are the same rule; twice in one array it would count each request twice."""
    known: dict[tuple[str, str], tuple[RateSettings | BudgetSettings, Path]] = {}
    for at, table in settings.tables():
        for key in ("rates", "budgets"):
            seen = set()
            for index, rule in enumerate(getattr(table.limits, key)):
                path = (*at, "limits", key, index)
                compiled = rule.rule()
                if compiled in seen:
                    yield sources.problem(path, "the same rule stands here twice")
                seen.add(compiled)
                if rule.name is None:
                    continue
                first, first_path = known.setdefault((key, rule.name), (rule, path))
                if first.rule() != compiled:
                    yield sources.problem(path, f"another rule has this name: {sources.label(first_path)}")


def quotas_hold_for_each_worker(settings: Settings, sources: Sources) -> Problems:
    """Without a shared store what callers take is counted by each worker for itself."""
    workers = settings.server.workers
    if workers == 1 or settings.shared.redis is not None:
        return
    for at, table in settings.tables():
        for key in _KEYS:
            if getattr(table.limits, key):
                message = f"holds for each worker: {workers} workers allow {workers} times as much together;"
                yield sources.warning((*at, "limits", key), f"{message} [shared] makes them count together")


def shared_can_act(settings: Settings, sources: Sources) -> Problems:
    """A shared store is used by somebody, can be spoken to, and is there for what is said about it."""
    shared = settings.shared
    if shared.redis is None:
        said = (key for key in shared.model_fields_set if getattr(shared, key) != getattr(SharedSettings(), key))
        for key in sorted(said):
            yield sources.warning(("shared", key), "cannot act: redis is not set")
        return
    if find_spec("redis") is None:
        yield sources.problem(("shared", "redis"), "the package redis is missing: pip install 'slowgate[redis]'")
    if not any(getattr(table.limits, key) for _, table in settings.tables() for key in _KEYS):
        message = "cannot act: no route has rates, budgets or max_streams_per_principal"
        yield sources.warning(("shared", "redis"), message)


def tokens_are_counted(settings: Settings, sources: Sources) -> Problems:
    """Somebody reads the tokens in the answers of a route that has a budget of them."""
    for index, route in enumerate(settings.routes):
        upstream = settings.upstreams.get(route.upstream)
        layers = [route, settings.defaults] if upstream is None else [route, upstream, settings.defaults]
        budgets = nearest(*(layer.limits for layer in layers)).budgets
        stream = nearest(*(layer.stream for layer in layers)).compiled()["stream"]
        assert isinstance(stream, Stream)
        if stream.format is None and any(budget.of == "tokens" for budget in budgets):
            path: Path = (
                "routes",
                index,
                *(("limits", "budgets") if "budgets" in route.limits.model_fields_set else ()),
            )
            message = "cannot act: nobody reads the tokens of its answers; set stream.format"
            yield sources.problem(path, message, at="key", severity=Severity.WARNING)
