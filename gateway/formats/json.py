"""A body that is one JSON value (RFC 8259): its end is seen where its brackets are balanced, without parsing it."""

from gateway.exchange.marks import Marks
from gateway.formats.brackets import AFTER_THE_END, WHITE, Nesting, Texts
from gateway.formats.in_band import in_band_error
from gateway.formats.parsing import Unread, first_value, parsed
from gateway.formats.tokens import note_usage

LARGEST_DOCUMENT_BYTES = 256 * 1024
LARGEST_SCALAR_BYTES = 4096
_BEFORE = WHITE + b"\xef\xbb\xbf"  # a BOM may be ignored (RFC 8259 section 8.1)
_SCALAR_STARTS = b"-0123456789tfnNI"


class Json:
    """Watches the structure of a value: texts, brackets, and that nothing follows its end.

    Between its brackets no grammar is checked. The first octet that is not white space counts as meaningful, the whole
    value as the one frame. Only before its first octet may white space be put in.
    """

    def __init__(self) -> None:
        self.marks = Marks("json")
        self._texts = Texts()
        self._nesting: Nesting | None = None
        self._scalar: bytearray | None = None
        self._begun = False

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        marks = self.marks
        if not self._begun:
            data = data.lstrip(_BEFORE)
        if not data:
            return
        marks.progress_bytes += len(data)
        if not self._begun:
            data = self._begin(data)
        if marks.malformed is not None:
            return
        if marks.terminal:
            if data.strip(WHITE):
                marks.malformed = AFTER_THE_END
        elif self._scalar is not None:
            self._scalar += data[: max(0, LARGEST_SCALAR_BYTES + 1 - len(self._scalar))]
        else:
            self._follow(data)

    def end(self) -> str | None:
        """See `Format`. A number shows no end of its own, so that any will do."""
        if self._scalar is not None and self.marks.malformed is None and not self.marks.terminal:
            scalar = bytes(self._scalar)
            if len(scalar) > LARGEST_SCALAR_BYTES or not isinstance(parsed(scalar), Unread):
                self._whole()
        if self.marks.terminal:
            return None
        return "the value did not end" if self._begun else "there is no value"

    def _begin(self, data: bytes) -> bytes:
        """See what the value is by its first octet; return what is to be followed."""
        marks = self.marks
        self._begun = True
        marks.boundary = False
        marks.meaningful = 1
        first = data[:1]
        if first in (b"{", b"["):
            self._nesting = Nesting(first)
        elif first == b'"':
            self._texts.inside = True
        elif first in _SCALAR_STARTS:
            self._scalar = bytearray()
            return data
        else:
            marks.malformed = "the body is not JSON"
        return data[1:]

    def _follow(self, data: bytes) -> None:
        """Take octets of a value that begins with a bracket, or of a text."""
        outside = self._texts.without(data)
        if self._nesting is not None:
            fault = self._nesting.follow(outside)
            ended = self._nesting.ended
        else:
            ended = bool(outside) or not self._texts.inside
            fault = AFTER_THE_END if outside.strip(WHITE) else None
        self.marks.malformed = fault
        if fault is AFTER_THE_END or (ended and fault is None):
            self._whole()

    def _whole(self) -> None:
        self.marks.terminal = True
        self.marks.frames = 1


class JsonAnswer(Json):
    """A JSON document of an API whose streams are known: its ``usage`` and ``error`` are read where it ends.

    It is meaningful once it is whole and tells no error, or is larger than what is kept to be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: bytearray | None = bytearray()

    def _begin(self, data: bytes) -> bytes:
        rest = super()._begin(data)
        self.marks.meaningful = 0
        self._keep(data[: len(data) - len(rest)])
        return rest

    def _follow(self, data: bytes) -> None:
        self._keep(data)
        super()._follow(data)

    def _keep(self, data: bytes) -> None:
        if self._kept is not None:
            if len(self._kept) + len(data) <= LARGEST_DOCUMENT_BYTES:
                self._kept += data
            else:
                self._kept = None
                self.marks.meaningful = 1

    def _whole(self) -> None:
        super()._whole()
        value, text, _ = first_value(bytes(self._kept or b""))
        self._kept = None
        error = value.get("error") if isinstance(value, dict) else None
        if error:
            self.marks.error = in_band_error(error, text.encode())
            return
        self.marks.meaningful = 1
        if isinstance(value, dict):
            note_usage(self.marks, value.get("usage"))
