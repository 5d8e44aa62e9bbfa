"""What is questionable about the exchange store as a whole."""

from collections.abc import Iterator
from importlib.util import find_spec

from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.settings import Settings


def the_store_can_act(settings: Settings, sources: Sources) -> Iterator[Problem]:
    """The database can be reached by what is installed, its rules can hold, and its rows can be read."""
    store = settings.store
    if store is None:
        return
    given = store.model_fields_set
    postgres = not store.url.startswith("sqlite:")
    if find_spec("sqlalchemy") is None:
        yield sources.problem(("store",), "needs SQLAlchemy, which is not installed", at="key")
    if postgres and find_spec("psycopg") is None:
        message = "needs the extra `postgres`, which is not installed: pip install 'slowgate[postgres]'"
        yield sources.problem(("store", "url"), message)
    if postgres and "max_size" in given and store.max_size is not None:
        message = "cannot act: of PostgreSQL only rows are counted; write max_rows"
        yield sources.problem(("store", "max_size"), message, severity=Severity.WARNING)
    if store.keep is None and store.max_rows is None and (postgres or store.max_size is None):
        message = "nothing bounds the rows: the database grows until its disk is full"
        yield sources.problem(("store", "keep"), message, at="key", severity=Severity.WARNING)
    if store.batch > store.queue:
        message = f"cannot act: no more than queue = {store.queue} records wait"
        yield sources.problem(("store", "batch"), message, severity=Severity.WARNING)
    if store.query_strings and "target" in store.leave_out:
        message = "cannot act: leave_out has the target"
        yield sources.problem(("store", "query_strings"), message, severity=Severity.WARNING)
