"""What `tomllib` says about a text that is no TOML, with its place and without a secret."""

import re

from gateway.config.document import shorten
from gateway.config.model import sounds_secret
from gateway.config.problem import Problem, dotted
from gateway.config.secrets import MASK

_PAIR = re.compile(r"(\s*[A-Za-z0-9_.\"' \t-]+=)\s*[^=\s]")
_UNQUOTED = re.compile(r"[^=]*=\s*[A-Za-z0-9/.:]")
_HEADER = re.compile(r"\s*\[[\[A-Za-z0-9_.\"' \t-]*")
_TUPLE = re.compile(r"\('.*?,?\)")
_IN_QUOTES = re.compile("'([^']*)'")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def syntax_problem(name: str, text: str, complaint: str) -> Problem:
    """Return what `tomllib` says, with its place, and the line as far as it can hold no secret."""
    match = _AT.search(complaint)
    message = complaint[: match.start()] if match else complaint
    message = _TUPLE.sub(lambda found: dotted(tuple(_IN_QUOTES.findall(found[0]))), message)
    message = message.replace("Cannot overwrite a value", "this key has a value already")
    message = f"not valid TOML: {message[:1].lower()}{message[1:]}"
    lines = text.split("\n")
    if match is None or match[1] is None:
        while len(lines) > 1 and not lines[-1].strip():
            lines.pop()
        source = None if complaint.startswith("Unterminated") else _harmless(lines[-1])
        return Problem(name, len(lines), len(lines[-1]) + 1, "", message, source=source)
    line, column = int(match[1]), int(match[2])
    if _UNQUOTED.match(lines[line - 1]) and ("invalid value" in message or "after a statement" in message):
        message += "; strings stand in quotes"
    return Problem(name, line, column, "", message, source=_harmless(lines[line - 1]))


def _harmless(line: str) -> str | None:
    """Return a line of a text without known structure, as far as it can hold no secret.

    That is a header, or a pair whose key does not sound like one; any other line may be from the middle of a value.
    """
    pair = _PAIR.match(line)
    if pair is not None and sounds_secret(line):
        return f"{pair[1]} {MASK}"
    return shorten(line) if pair is not None or _HEADER.match(line) else None
