"""Values with placeholders, and the fields that no rule may touch."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.config.problem import Unacceptable
from gateway.exchange.fields import HOP_BY_HOP
from gateway.exchange.route import Template
from gateway.grammar.templates import RuledName, parse_template


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("{principal}", (("principal", ""),)),
        ("a {claim:x:y} b", ("a ", ("claim", "x:y"), " b")),
        ("{header:X-Team}", (("header", "x-team"),)),
        ("{{principal}}", ("{principal}",)),
        ("{{{principal}}}", ("{", ("principal", ""), "}")),
    ],
)
def test_value_is_split_into_text_and_placeholders(text: str, template: Template) -> None:
    """Braces that are written twice stand for themselves."""
    assert parse_template(text) == template


@pytest.mark.parametrize(
    ("text", "told", "suggestion"),
    [
        ("{principle}", "unknown placeholder {principle}", "{principal}"),
        ("a {clam:x} b", "unknown placeholder {clam}", "a {claim:x} b"),
        ("{nothing_like_it}", "there are {principal}", None),
        ("{}", "unknown placeholder {}", None),
        ("{claim}", "needs a name", None),
        ("{claim:}", "needs a name", None),
        ("{principal:x}", "no name behind it", None),
        ("{header:a b}", "the name of a field", None),
        ("{", "written twice", None),
        ("}", "written twice", None),
        ("a{b", "written twice", None),
        ("a\r\nX-Evil: 1", "without line breaks", None),
        (" padded", "without blanks", None),
        ("Žofie", "visible ASCII", None),
        ("x" * 9000, "at most 8192", None),
    ],
)
def test_value_that_means_nothing_is_refused(text: str, told: str, suggestion: str | None) -> None:
    """With what was probably meant."""
    with pytest.raises(Unacceptable) as raised:
        parse_template(text)
    assert told in f"{raised.value} {raised.value.expected}"
    assert raised.value.suggestion == suggestion


@pytest.mark.parametrize("name", [*sorted(HOP_BY_HOP), "Content-Length", "Host", "Expect", "content_length", "a b", ""])
def test_field_of_the_framing_has_no_rules(name: str) -> None:
    """Nor one that speaks about a connection: a message with another one would be another message."""
    with pytest.raises(ValidationError):
        TypeAdapter(RuledName).validate_python(name)
    assert TypeAdapter(RuledName).validate_python("X-User") == "X-User"
