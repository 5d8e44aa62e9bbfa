"""Who may connect to the data listeners, before anything of theirs is read: one door for all of a worker's."""

from collections import Counter
from dataclasses import dataclass

from gateway.exchange.failure import ADDRESS_CROWDED, ADDRESS_DENIED, Failure
from gateway.exchange.peers import AddressRule, Networks, Peers, holder_of

_NOBODY = Peers(Networks(()))


@dataclass(frozen=True, slots=True)
class Entry:
    """The rules of the door: what a new configuration may change while it is used."""

    addresses: AddressRule | None = None
    """Who may come; None for everybody."""
    most_per_address: int | None = None
    """Connections that one address may have open; None for any number."""
    trusted: Peers = _NOBODY
    """Proxies: they are not counted, and only they may tell other addresses than their own."""
    proxy_protocol: bool = False
    """Whether each connection begins with a PROXY header."""

    def denies(self, peer: str) -> Failure | None:
        """Return why ``peer`` (an address; empty on a unix socket) may not come, or None."""
        if self.addresses is not None and self.addresses.refuses(peer):
            return Failure(ADDRESS_DENIED, "by [server.addresses]")
        return None


class Door:
    """Counts the open connections of each address. It knows no more addresses than there are open connections."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Door {len(self._open)} addresses>"

    def enter(self, peer: str, entry: Entry) -> Failure | str:
        """Count a connection of ``peer``; return what to give to `leave`, or why there is no place for it."""
        if entry.most_per_address is None or not peer or peer in entry.trusted:
            return ""
        holder = holder_of(peer)
        if self._open[holder] >= entry.most_per_address:
            return Failure(ADDRESS_CROWDED, f"{entry.most_per_address} connections are open already")
        self._open[holder] += 1
        return holder

    def leave(self, ticket: str) -> None:
        """Count no more what `enter` returned ``ticket`` for."""
        if ticket:
            self._open[ticket] -= 1
            if not self._open[ticket]:
                del self._open[ticket]
