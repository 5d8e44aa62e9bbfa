"""Where a database's calls run: SQLite's block, so they have threads of their own; PostgreSQL's wait as we all do."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
from gevent.threadpool import ThreadPool

T = TypeVar("T")


class Work(Generic[T]):
    """A call under way."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; return whether it has come."""
        self._task.wait(seconds) if hasattr(self._task, "wait") else self._task.join(seconds)
        return bool(self._task.ready())

    def result(self) -> T:
        """Wait for the end, and return or raise what the call did."""
        value, error = self._task.get()
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]


class Lane:
    """Runs calls: ``threads`` at once in threads, or each in a greenlet where ``threads`` is 0."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPool(threads) if threads else None

    def begin(self, call: Callable[[], T]) -> Work[T]:
        """Start ``call``; wait where all threads are busy."""
        spawn = gevent.spawn if self._pool is None else self._pool.spawn
        return Work(spawn(_caught, call))

    def run(self, call: Callable[[], T]) -> T:
        """Return or raise what ``call`` does."""
        return self.begin(call).result()

    def close(self) -> None:
        """Let the threads go as soon as they are free."""
        if self._pool is not None:
            gevent.spawn(self._pool.kill)


def _caught(call: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """Return instead of raising: gevent would print what a call raised, and it is told by us already."""
    try:
        return call(), None
    except Exception as error:
        return None, error
