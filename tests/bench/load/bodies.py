"""Large bodies, down and up, on one connection."""

import time

from bench.load.target import Target
from bench.load.upstream import BODY_END
from bench.load.wire import connected, must_be_ok, request, said, some

_MIB = 1 << 20
_PIECE = b"." * (256 << 10)
_CHUNK = b"%x\r\n%b\r\n" % (65_536, _PIECE[:65_536])
_BULK_TIMEOUT_SECONDS = 60.0


def down(target: Target, mib: int, *, chunked: bool) -> tuple[float, float]:
    """Fetch ``mib`` MiB; return CPU-seconds of the target for a GiB, and MiB a second.

    The client asks for a chunked body or one with a length, and takes whichever framing comes. Raises ConnectionError
    where it does not come whole.
    """
    scratch = bytearray(_MIB)
    with connected(target, _BULK_TIMEOUT_SECONDS) as connection:
        used, began = target.cpu_seconds(), time.monotonic()
        connection.sendall(request(f"/{'chunked' if chunked else 'bulk'}/{mib}"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += some(connection)
        must_be_ok(head)
        head, _, body = head.partition(b"\r\n\r\n")
        ends_itself = b"transfer-encoding: chunked" in head.lower()
        count, tail = len(body), body[-7:]
        while count < mib * _MIB or (ends_itself and not tail.endswith(BODY_END)):
            read = connection.recv_into(scratch)
            if not read:
                raise ConnectionError(f"the body ended after {count} of {mib * _MIB} octets")
            count += read
            if ends_itself:
                tail = (tail + bytes(scratch[max(0, read - 7) : read]))[-7:]
    return _figures(target, used, began, mib)


def up(target: Target, mib: int, *, chunked: bool) -> tuple[float, float]:
    """Send ``mib`` MiB; return CPU-seconds of the target for a GiB, and MiB a second, until the answer is there.

    Raises ConnectionError where the upstream says that it got less, or the answer is not 200.
    """
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {mib * _MIB}"
    piece, pieces = (_CHUNK * 4, mib * 4) if chunked else (_PIECE, mib * 4)
    with connected(target, _BULK_TIMEOUT_SECONDS) as connection:
        used, began = target.cpu_seconds(), time.monotonic()
        connection.sendall(request("/upload", framing, "Content-Type: application/octet-stream", method="POST"))
        for _ in range(pieces):
            connection.sendall(piece)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        answer = b""
        while (arrived := said(answer)) is None:
            answer += some(connection)
            must_be_ok(answer)
    if arrived < mib * _MIB:
        raise ConnectionError(f"{arrived} of {mib * _MIB} octets arrived")
    return _figures(target, used, began, mib)


def _figures(target: Target, used: float, began: float, mib: int) -> tuple[float, float]:
    return (target.cpu_seconds() - used) / mib * 1024, mib / (time.monotonic() - began)
