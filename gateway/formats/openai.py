"""The streams of the OpenAI API, and of the many that speak like it: chat, completions and responses, over SSE."""

from gateway.formats.deltas import Deltas
from gateway.formats.in_band import in_band_error
from gateway.formats.parsing import Unread, parsed
from gateway.formats.tokens import note_usage

MOST_CHOICES = 1024
_DONE = b"[DONE]"

# Kinds of events that say that the answer is whole. An incomplete response is one that reached its limit: it is whole.
_LAST_KINDS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "speech.audio.done",
        "transcript.text.done",
        "image_generation.completed",
        "image_edit.completed",
    }
)
_ERROR_KINDS = frozenset({"response.failed", "error"})
_PREAMBLE = (".created", ".queued", ".in_progress", ".added")
_NOT_CONTENT = frozenset({"role", "provider_specific_fields"})


class OpenAi(Deltas):
    """Watches a stream of chunks with ``choices``, or of typed events.

    Whole is an answer all of whose choices have a ``finish_reason``, that said ``[DONE]``, or whose last event came.
    """

    def __init__(self) -> None:
        super().__init__("openai")
        self._open: set[object] = set()  # choices that have begun
        self._finished: set[object] = set()
        self._done = False

    def end(self) -> str | None:
        """See `Format`. A choice that began after all others had finished must have finished as well."""
        if self.marks.terminal and (self._done or not self._open):
            return None
        if self.marks.error is not None:
            return "the answer broke off with an error"
        if self._open and self._finished:
            return f"{len(self._open)} of {len(self._open) + len(self._finished)} choices did not finish"
        return "neither a finish_reason nor [DONE] came"

    def _event(self, name: bytes, data: bytes | None) -> bool:
        marks = self.marks
        marks.frames += 1
        if data is None:
            self._unread(name)
        elif data.startswith(_DONE):
            self._whole()
        else:
            self._look(name, data)
        return True

    def _whole(self) -> None:
        if self.marks.error is None:
            self._done = self.marks.terminal = True

    def _unread(self, name: bytes) -> None:
        """An event too large to be read: its name is all there is to go by."""
        self.marks.meaningful += 1
        if name.decode("utf-8", "replace") in _LAST_KINDS:
            self._whole()

    def _look(self, name: bytes, data: bytes) -> None:
        value = parsed(data)
        if value is Unread.BEYOND:
            self._unread(name)
        elif not isinstance(value, dict):
            if value is Unread.MALFORMED and self.marks.malformed is None:
                self.marks.malformed = f"the data of event {self.marks.frames} is not JSON"
        elif not self._told_error(name, value, data):
            self._plain = self._take(name, value)

    def _told_error(self, name: bytes, value: dict[str, object], data: bytes) -> bool:
        error = value.get("error")
        kind = value.get("type") or name.decode("utf-8", "replace")
        if not error:
            if kind in _ERROR_KINDS:
                response = value.get("response")
                error = (response.get("error") if isinstance(response, dict) else None) or value
            elif value.get("object") == "error" or name == b"error":  # so vLLM told it
                error = value
            else:
                return False
        if self.marks.error is None:
            self.marks.error = in_band_error(error, data)
        return True

    def _take(self, name: bytes, value: dict[str, object]) -> bool:
        """Take a frame that is no error; return whether it carries text and says nothing else."""
        told_usage = self._note_usage(value)
        choices = value.get("choices")
        if isinstance(choices, list):
            return self._take_choices(choices) and not told_usage
        kind = value.get("type")
        kind = kind if isinstance(kind, str) else name.decode("utf-8", "replace")
        if kind in _LAST_KINDS:
            self.marks.meaningful += 1
            self._whole()
            return False
        if kind.endswith(_PREAMBLE):
            return False
        self.marks.meaningful += 1
        return not told_usage

    def _note_usage(self, value: dict[str, object]) -> bool:
        response = value.get("response")
        within = response.get("usage") if isinstance(response, dict) else None
        return note_usage(self.marks, value.get("usage") or within)

    def _take_choices(self, choices: list[object]) -> bool:
        """Take the choices of a chunk; return whether they carry something and none of them finished."""
        some = finished = False
        for choice in choices:
            if isinstance(choice, dict):
                some = _carries(choice) or some
                finished = self._take_choice(choice) or finished
        self.marks.meaningful += some
        if finished and not self._open and self.marks.error is None:
            self.marks.terminal = True
        return some and not finished

    def _take_choice(self, choice: dict[str, object]) -> bool:
        """Note how far a choice is; return whether it finished."""
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._open.discard(index)
            if len(self._finished) < MOST_CHOICES:
                self._finished.add(index)
            if reason == "error" and self.marks.error is None:
                self.marks.error = in_band_error({"code": "error"}, b"")
            return True
        if index not in self._finished and len(self._open) < MOST_CHOICES:
            self._open.add(index)
        return False


def _carries(choice: dict[str, object]) -> bool:
    """Tell whether a choice brings some of the answer: a delta with more than a role, or a text."""
    delta = choice.get("delta") or choice.get("message")
    if isinstance(delta, dict):
        return any(value for key, value in delta.items() if key not in _NOT_CONTENT)
    return bool(choice.get("text"))
