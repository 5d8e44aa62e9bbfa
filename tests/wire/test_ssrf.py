"""An upstream's name never leads to a cloud's metadata, whatever the resolver says of it, and however late."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rig import Rig, problem_code, request

RESOLVER = '''
"""Stands in for a resolver in the hands of an attacker: the name leads to us once, and then to the metadata."""

import _socket

_real, _asked = _socket.getaddrinfo, 0


def getaddrinfo(host, port, *rest, **more):
    global _asked
    if host in ("rebinding.test", b"rebinding.test"):
        _asked += 1
        host = "127.0.0.1" if _asked == 1 else "169.254.169.254"
    return _real(host, port, *rest, **more)


class OfThisMachine(_socket.socket):
    """Keeps the test on this machine also where the gateway fails it: nothing is connected to beyond loopback."""

    __slots__ = ()

    def _stay(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
            raise OSError(101, "kept on this machine")

    def connect(self, address):
        self._stay(address)
        return super().connect(address)

    def connect_ex(self, address):
        try:
            self._stay(address)
        except OSError as error:
            return error.errno
        return super().connect_ex(address)


_socket.getaddrinfo = getaddrinfo
_socket.socket = OfThisMachine
'''


class Rebinding(Rig):
    """A rig whose upstream has a name."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, environment={"PYTHONPATH": str(directory)}, upstream={"keepalive": "0s"})
        (directory / "sitecustomize.py").write_text(RESOLVER)
        file = self.gateway.file
        file.write_text(file.read_text().replace(self.upstream.url, f"http://rebinding.test:{self.upstream.port}"))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rebinding(tmp_path / "rig") as rig:
        rig.answers()
        yield rig


def test_name_that_is_bound_anew_to_the_metadata_is_refused(rig: Rig) -> None:
    """502 at once; the check is on the very address that would be connected to, at each new connection."""
    assert rig.ask(request("GET /first HTTP/1.1")).status == 200

    answer = rig.ask(request("GET /second HTTP/1.1"))

    assert (answer.status, problem_code(answer)) == (502, "address_refused")
    assert b"169.254" not in answer.body
    assert [seen.target for seen in rig.seen] == ["/first"]
