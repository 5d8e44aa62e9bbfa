"""An upstream that costs next to nothing and stamps every event with the time it is sent.

    GET /small             200 with 100 octets
    GET /events/N/PACE/AFTER   N server-sent events, PACE ms apart, the first after AFTER ms; chunked

An event's data is the monotonic clock in nanoseconds, which all processes of a machine share.
"""

import asyncio
import sys
import time

_SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + b"." * 100
_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_FILLING = b"." * 100


def event() -> bytes:
    """Return an event of the size of a token, stamped now, as one chunk."""
    data = b"data: %d %b\n\n" % (time.monotonic_ns(), _FILLING)
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _stream(writer: asyncio.StreamWriter, count: int, pace_seconds: float, after_seconds: float) -> None:
    due = time.monotonic() + after_seconds
    writer.write(_STREAM)
    for _ in range(count):
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.write(event())
        due += pace_seconds
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            if target.startswith("/events/"):
                count, pace, after = map(int, target.split("/")[2:5])
                await _stream(writer, count, pace / 1000, after / 1000)
            else:
                writer.write(_SMALL)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
