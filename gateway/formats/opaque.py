"""Bodies of which nothing is known: their octets are counted, and where they end they are whole."""

from gateway.exchange.marks import Marks


class Opaque:
    """Watches any octets. Nothing may be put in between; the first octet is already some of the answer."""

    def __init__(self) -> None:
        self.marks = Marks("opaque", boundary=False)

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        marks = self.marks
        if data:
            marks.progress_bytes += len(data)
            marks.meaningful = 1

    def end(self) -> str | None:
        """See `Format`: only HTTP knows."""
        return None
