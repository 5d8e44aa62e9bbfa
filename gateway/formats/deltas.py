"""Event streams of many small JSON documents: those like one already understood are counted without being parsed."""

from gateway.formats.shape import Shapes
from gateway.formats.sse import Sse


class Deltas(Sse):
    """Watches events of which most are plain: one octet string after the other that differs in a text or two."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self._shapes = Shapes()
        self._plain = False
        """To be set by `_event` for one that carries some of the answer, and has nothing else in it to act on."""

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        # A text of JSON has no line break in it, so what fits is one event again.
        if self._between and self._shapes.fits(data):
            marks = self.marks
            marks.frames += 1
            marks.meaningful += 1
            self._counted += len(data)
            marks.progress_bytes = self._counted
        else:
            super().feed(data)

    def _short(self, name: bytes, data: bytes, start: int, last: int) -> None:
        self._plain = False
        super()._short(name, data, start, last)
        if self._plain:
            self._shapes.learn(data)
