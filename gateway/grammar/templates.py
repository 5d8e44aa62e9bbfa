"""Values of header rules: text with placeholders, such as ``user={principal}``; ``{{`` and ``}}`` stand for braces."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.config.translate import closest
from gateway.exchange.fields import HOP_BY_HOP
from gateway.exchange.route import Template
from gateway.grammar.tokens import is_token

PLACEHOLDERS = {
    "principal": False,
    "claim": True,
    "scope": False,
    "request_id": False,
    "route": False,
    "client_ip": False,
    "header": True,
    "host": False,
    "method": False,
    "path": False,
}
"""What can be put into a value, and whether it needs a name behind a colon."""

_PART = re.compile(r"(?P<text>(?:[^{}]|\{\{|\}\})+)|\{(?P<name>[^{}:]*)(?P<colon>:(?P<argument>[^{}]*))?\}")
_NOT_A_VALUE = re.compile(r"[^\t\x20-\x7e]")
_MOST_OCTETS = 8192
GUARDED = HOP_BY_HOP | {"content-length", "host", "expect"}
"""Fields that say where a message ends, how it travels and to whom: with others in their place it would be another."""


def parse_template(text: str) -> Template:
    """Return the parts of ``text``; raise `Unacceptable`, whose words never repeat more than a placeholder's name."""
    if _NOT_A_VALUE.search(text) or text != text.strip(" \t"):
        raise Unacceptable("a field's value: visible ASCII, without line breaks, and without blanks around it")
    if len(text) > _MOST_OCTETS:
        raise Unacceptable(f"a value of at most {_MOST_OCTETS} characters")
    parts: list[str | tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise Unacceptable('placeholders such as {principal}; a brace itself is written twice: "{{" or "}}"')
        at = match.end()
        if match["text"] is not None:
            parts.append(match["text"].replace("{{", "{").replace("}}", "}"))
        else:
            parts.append(_placeholder(text, match))
    return tuple(parts)


def _placeholder(text: str, match: re.Match[str]) -> tuple[str, str]:
    name, argument = match["name"], match["argument"]
    if name not in PLACEHOLDERS:
        meant = closest(name, PLACEHOLDERS)
        begin, end = match.span("name")
        suggestion = None if meant is None else f"{text[:begin]}{meant}{text[end:]}"
        listed = ", ".join(f"{{{each}:NAME}}" if named else f"{{{each}}}" for each, named in PLACEHOLDERS.items())
        message = f"unknown placeholder {{{name}}}" + ("" if meant else f"; there are {listed}")
        raise Unacceptable(f"one of {listed}", message=message, suggestion=suggestion, discreet="unknown placeholder")
    if PLACEHOLDERS[name] and not argument:
        raise Unacceptable(f"a name in {{{name}:NAME}}", message=f"{{{name}}} needs a name: {{{name}:NAME}}")
    if not PLACEHOLDERS[name] and match["colon"]:
        raise Unacceptable(f"{{{name}}} without a name", message=f"{{{name}}} has no name behind it")
    if name == "header" and not is_token(argument):
        raise Unacceptable("the name of a field in {header:NAME}")
    return name, argument.lower() if name == "header" else argument or ""


def _value(text: str) -> str:
    parse_template(text)
    return text


def _name(text: str) -> str:
    if not is_token(text):
        raise Unacceptable('the name of a header field, such as "X-User"')
    if text.lower().replace("_", "-") in GUARDED:
        host = "; what it says, keep_host decides" if text.lower() == "host" else ""
        raise Unacceptable(message=f"this field belongs to the message's framing or to one connection alone{host}")
    return text


TemplateText = Annotated[str, AfterValidator(_value), WithJsonSchema({"type": "string"}), Kind("value")]
RuledName = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string"}), Kind("field name")]
"""The name of a field that rules may set, remove and rename."""
