"""The streams of the OpenAI API, and of the many that speak like it: chat, completions and responses, over SSE."""

from gateway.formats.deltas import Deltas
from gateway.formats.in_band import in_band_error
from gateway.formats.parsing import Unread, parsed
from gateway.formats.tokens import note_usage

MOST_CHOICES = 1024
_FURTHER = "further"
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
        self._open: set[int | str] = set()  # indices of the choices that have begun
        self._finished: set[int] = set()
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
        else:
            told = value.get("type")
            kind = told if isinstance(told, str) else name.decode("utf-8", "replace")
            told_usage = self._note_usage(value)
            error = _error_in(kind, value) or (value if name == b"error" else None)
            if error is None:
                self._plain = self._take(kind, value) and not told_usage
            elif self.marks.error is None:
                self.marks.error = in_band_error(error, data)

    def _take(self, kind: str, value: dict[str, object]) -> bool:
        """Take a frame that is no error; return whether it carries some of the answer and says nothing else."""
        choices = value.get("choices")
        if isinstance(choices, list):
            return self._take_choices(choices)
        if kind in _LAST_KINDS:
            self.marks.meaningful += 1
            self._whole()
            return False
        if kind.endswith(_PREAMBLE):
            return False
        self.marks.meaningful += 1
        return True

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
        told = choice.get("index")
        index = told if isinstance(told, int) else 0
        if choice.get("finish_reason"):  # some write "" for null
            self._open.discard(index)
            if len(self._finished) < MOST_CHOICES:
                self._finished.add(index)
            return True
        if index not in self._finished:
            # Of more choices than are kept, only [DONE] tells that all have finished.
            self._open.add(index if len(self._open) < MOST_CHOICES else _FURTHER)
        return False


def _error_in(kind: str, value: dict[str, object]) -> object:
    """Return the error that a frame tells, None where it tells none."""
    if value.get("error"):
        return value["error"]
    if kind in _ERROR_KINDS:
        response = value.get("response")
        return (response.get("error") if isinstance(response, dict) else None) or value
    choices = value.get("choices")
    if isinstance(choices, list):
        broken = (isinstance(choice, dict) and choice.get("finish_reason") == "error" for choice in choices)
        return {"code": "error"} if any(broken) else None  # OpenRouter's word for a choice that broke off
    return value if value.get("object") == "error" else None  # so vLLM told it


def _carries(choice: dict[str, object]) -> bool:
    """Tell whether a choice brings some of the answer: a delta with more than a role, or a text."""
    delta = choice.get("delta") or choice.get("message")
    if isinstance(delta, dict):
        return any(value for key, value in delta.items() if key not in _NOT_CONTENT)
    return bool(choice.get("text"))
