"""Which format watches a reply."""

from gateway.exchange.marks import Format
from gateway.exchange.message import ReplyHead


def choose(name: str, head: ReplyHead, terminal: tuple[str, ...] = ()) -> Format | str:
    """Return a fresh watcher for the body under ``head``, or why there is none, in words."""
    return f"no format for {head.status} as {name}"
