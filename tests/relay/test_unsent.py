"""What the system keeps for a client that does not read."""

import socket

from support.conditions import wait_until

from gateway.relay.unsent import unsent_bytes


def test_octets_that_the_client_has_not_taken_are_counted_until_it_does() -> None:
    """Over TCP: what was sent and fits nowhere else waits here."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, _ = server.accept()
        with ours:
            assert unsent_bytes(ours) == 0
            ours.setblocking(False)
            try:
                while True:
                    ours.send(bytes(65536))
            except BlockingIOError:
                pass
            assert unsent_bytes(ours) > 65536
            client.settimeout(5)
            while unsent_bytes(ours):
                client.recv(1 << 20)
            wait_until(lambda: unsent_bytes(ours) == 0, 1, "nothing left")


def test_a_closed_socket_keeps_nothing() -> None:
    """The connection of a stream that is read on without its client is closed."""
    left, right = socket.socketpair()
    left.close()
    right.close()

    assert unsent_bytes(left) == 0


def test_what_is_no_connection_keeps_nothing() -> None:
    """Where the system does not know, nothing is claimed."""

    class NoSocket:
        def fileno(self) -> int:
            return 10_000

    assert unsent_bytes(NoSocket()) == 0
