"""The streams of Anthropic's Messages API, over SSE."""

from gateway.formats.deltas import Deltas
from gateway.formats.in_band import in_band_error
from gateway.formats.parsing import Unread, parsed
from gateway.formats.tokens import note_usage

_NOT_CONTENT = frozenset({"type", "id", "tool_use_id", "citations", "signature"})


class Anthropic(Deltas):
    """Watches the events of a message. Whole is an answer whose ``message_stop`` came.

    The name of an event says what it is, as the clients of this API read it, or ``type`` in its data where it has no
    name; the last event must say it in both, for some clients go by the one and some by the other. A ``ping`` is no
    frame, and no progress: octets count once their event is whole and known to be none.
    """

    def __init__(self) -> None:
        super().__init__("anthropic")

    def end(self) -> str | None:
        """See `Format`."""
        if self.marks.terminal:
            return None
        return "message_stop did not come" if self.marks.error is None else "the answer broke off with an error"

    def _progress(self) -> int:
        return self._counted

    def _event(self, name: bytes, data: bytes | None) -> bool:
        value: object = Unread.BEYOND if data is None else parsed(data)
        kind = name.decode("utf-8", "replace")
        if isinstance(value, dict):
            kind = kind or str(value.get("type"))
        elif value is not Unread.BEYOND and self.marks.malformed is None:
            self.marks.malformed = f"the data of event {self.marks.frames + 1} is not a JSON object"
        if kind == "ping":
            return False
        self.marks.frames += 1
        if isinstance(value, dict):
            self._take(kind, value, data or b"")
        elif value is Unread.BEYOND:
            self._unread(kind)
        return True

    def _unread(self, kind: str) -> None:
        """An event too large to be read: its name is all there is to go by."""
        if kind == "error":
            self.marks.error = self.marks.error or in_band_error(None, b"")
        else:
            self.marks.meaningful += kind == "content_block_delta"

    def _take(self, kind: str, value: dict[str, object], data: bytes) -> None:
        marks = self.marks
        if kind == "content_block_delta":
            if _carries(value.get("delta")):
                marks.meaningful += 1
                self._plain = True
        elif kind == "content_block_start":
            marks.meaningful += _carries(value.get("content_block"))
        elif kind == "message_start":
            message = value.get("message")
            note_usage(marks, message.get("usage") if isinstance(message, dict) else None)
        elif kind == "message_delta":
            note_usage(marks, value.get("usage"))
        elif kind == "message_stop":
            marks.terminal = marks.terminal or (marks.error is None and value.get("type", kind) == kind)
        elif kind == "error":
            marks.error = marks.error or in_band_error(value.get("error") or value, data)


def _carries(block: object) -> bool:
    """Tell whether a block or a delta of one brings some of the answer."""
    return isinstance(block, dict) and any(value for key, value in block.items() if key not in _NOT_CONTENT)
