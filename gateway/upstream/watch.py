"""Who is told how far an attempt has come."""

from typing import Protocol

from gateway.exchange.message import ReplyHead


class Watch(Protocol):
    """The moments of one attempt, so that deadlines can be armed and disarmed at the right ones.

    A deadline that strikes, or a client that left, arrives as an exception thrown into whoever waits on the socket:
    every wait of this room closes its connection and lets such an exception pass as it is.
    """

    def connecting(self) -> None:
        """A new connection is needed: name resolution, TCP and TLS begin. Not called for a kept-alive one."""

    def connected(self) -> None:
        """The new connection stands."""

    def sent(self) -> None:
        """Nothing more of the request will be sent: it went out whole, or the upstream stopped reading it.

        Called at most once, never after ``answered``; from the upload's own flow of control where there is one.
        """

    def answered(self) -> None:
        """The head of the final answer is complete."""

    def informational(self, head: ReplyHead) -> None:
        """An interim answer other than 100 came (RFC 9110 section 15.2), 103 for example."""
