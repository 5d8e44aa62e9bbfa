"""Brackets and texts of JSON, followed through pieces of any size at the speed of bytes methods."""

from typing import Final

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_OPENER_OF: Final = bytes.maketrans(b"}]", b"{[")
_TO_CLOSER: Final = 2
"""In ASCII each closer stands two after its opener."""
_QUICK_ROUNDS = 32

DEEPEST = 65536
"""Levels of nesting that are followed."""
AFTER_THE_END: Final = "something follows the end of the value"
WHITE: Final = b" \t\r\n"


class Texts:
    """Takes the texts out of JSON: what is left has one ``"`` for each."""

    __slots__ = ("_escaping", "inside")

    def __init__(self) -> None:
        self.inside = False
        """Whether the octets so far end within a text."""
        self._escaping = False

    def without(self, data: bytes) -> bytes:
        """Return what of ``data`` stands outside of texts; the mark of a text stands where it begins."""
        if self._escaping:
            data = b"\\" + data
            self._escaping = False
        if b"\\" in data:
            # A run of backslashes is pairs, and perhaps one more that escapes what follows.
            data = data.replace(b"\\\\", b"")
            if data.endswith(b"\\"):
                self._escaping = True
                data = data[:-1]
            data = data.replace(b'\\"', b"")
        parts = data.split(b'"')
        begins_inside = self.inside
        self.inside = begins_inside == (len(parts) % 2 == 1)
        outside = b'"'.join(parts[begins_inside::2])
        if self.inside and not (begins_inside and len(parts) == 1):
            outside += b'"'
        return outside


def reduced(brackets: bytes) -> tuple[bytes, bytes] | None:
    """Take pairs out of a run of brackets: return the closers and the openers left over, None where kinds differ."""
    for _ in range(_QUICK_ROUNDS):
        shorter = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    else:
        return _reduced_one_by_one(brackets)
    openers = brackets.lstrip(b"}]")
    if openers.strip(b"{["):
        return None
    return brackets[: len(brackets) - len(openers)], openers


def _reduced_one_by_one(brackets: bytes) -> tuple[bytes, bytes] | None:
    """Do as `reduced` does where nesting is deep: in one pass, not one for each level."""
    closers, openers = bytearray(), bytearray()
    for bracket in brackets:
        if bracket in b"{[":
            openers.append(bracket)
        elif not openers:
            closers.append(bracket)
        elif openers.pop() + _TO_CLOSER != bracket:
            return None
    return bytes(closers), bytes(openers)


class Nesting:
    """The brackets that are open. Closing the last one ends the value."""

    __slots__ = ("_open",)

    def __init__(self, first: bytes) -> None:
        """``first`` is the bracket that the value begins with."""
        self._open = bytearray(first)

    @property
    def ended(self) -> bool:
        """Whether the last bracket was closed."""
        return not self._open

    def follow(self, outside: bytes) -> str | None:
        """Take the next octets outside of texts; return the first thing that is wrong with them, in words."""
        brackets = outside.translate(None, _NOT_BRACKETS)
        left = reduced(brackets)
        if left is None:
            return self._first_fault(brackets)
        closers, openers = left
        count, depth = len(closers), len(self._open)
        if count:
            if count > depth or closers.translate(_OPENER_OF) != self._open[depth - count :][::-1]:
                return self._first_fault(brackets)
            if count == depth and (openers or self._ends_before(brackets)):
                return AFTER_THE_END
            del self._open[depth - count :]
        self._open += openers
        if len(self._open) > DEEPEST:
            return f"the value is nested more than {DEEPEST} levels deep"
        return AFTER_THE_END if self.ended and outside[_last_closer(outside) + 1 :].strip(WHITE) else None

    def _ends_before(self, brackets: bytes) -> bool:
        """Tell whether some bracket before the last of these already closes all that is open."""
        left = reduced(brackets[:-1])
        return left is None or len(left[0]) >= len(self._open)

    def _first_fault(self, brackets: bytes) -> str:
        """Go bracket by bracket to the first that is wrong; there is one."""
        opened = bytearray(self._open)
        following = iter(brackets)
        while opened:
            bracket = next(following)
            if bracket in b"{[":
                opened.append(bracket)
            elif opened.pop() + _TO_CLOSER != bracket:
                return "a bracket is closed by one of the other kind"
        return AFTER_THE_END


def _last_closer(octets: bytes) -> int:
    return max(octets.rfind(b"}"), octets.rfind(b"]"))
