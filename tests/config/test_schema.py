"""A model as JSON Schema, for a model that has nothing to do with gateways."""

from typing import Literal

from pydantic import Field

from gateway.config.model import Model
from gateway.config.schema import DIALECT, schema_of
from gateway.config.secrets import Secret
from gateway.config.units import Duration, DurationOrOff


class Tool(Model):
    """Something to work with."""

    name: str
    """What it is called."""
    wait: DurationOrOff = None
    """How long it takes."""
    edge: str | None = None
    """Its sharp side."""


class Shed(Model):
    """A place for tools."""

    kind: Literal["wood", "steel"] = "wood"
    """What it is made of."""
    lock: Secret | None = None
    """What opens it."""
    pattern: str = ""
    """A setting whose name means something in a schema."""
    age: Duration = 1.0
    """How old it is."""
    tools: dict[str, Tool] = Field(default_factory=dict)
    """What is in it."""


SCHEMA = schema_of(Shed, "shed.toml")
REFERENCE = {"$ref": "#/$defs/Reference"}


def test_a_schema_says_what_it_is() -> None:
    """Dialect and title come first; the model's own text describes it."""
    assert list(SCHEMA)[:2] == ["$schema", "title"]
    assert (SCHEMA["$schema"], SCHEMA["title"], SCHEMA["description"]) == (DIALECT, "shed.toml", "A place for tools.")


def test_every_table_is_closed_and_described() -> None:
    """Unknown keys are errors in an editor too; tables of any names say what stands below each."""
    assert SCHEMA["additionalProperties"] is False
    assert SCHEMA["$defs"]["Tool"]["additionalProperties"] is False
    assert SCHEMA["properties"]["tools"]["additionalProperties"] == {"$ref": "#/$defs/Tool"}
    assert SCHEMA["$defs"]["Tool"]["properties"]["name"] == {"type": "string", "description": "What it is called."}


def test_a_string_with_a_grammar_may_be_a_reference_instead() -> None:
    """A duration from the environment is no error in an editor."""
    assert SCHEMA["properties"]["kind"]["anyOf"] == [{"type": "string", "enum": ["wood", "steel"]}, REFERENCE]
    age = SCHEMA["properties"]["age"]
    assert (len(age["anyOf"]), age["anyOf"][1], age["default"]) == (2, REFERENCE, "1s")


def test_there_is_no_null() -> None:
    """TOML has none: what may be left out is not required, and a default of None is "off" or nothing."""
    tool = SCHEMA["$defs"]["Tool"]
    assert tool["properties"]["edge"] == {"type": "string", "description": "Its sharp side."}
    assert tool["properties"]["wait"]["default"] == "off"
    assert [
        each for each in tool["properties"]["wait"]["anyOf"] if each.get("const") == "off" or each == REFERENCE
    ] == [
        {"const": "off"},
        REFERENCE,
    ]
    assert tool["required"] == ["name"]
    assert "null" not in str(SCHEMA)


def test_names_of_settings_are_not_taken_for_words_of_the_schema() -> None:
    """A setting may be called as it likes."""
    assert SCHEMA["properties"]["pattern"]["type"] == "string"
    assert set(SCHEMA["properties"]) == {"kind", "lock", "pattern", "age", "tools"}
