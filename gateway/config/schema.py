"""A model as JSON Schema, for editors: what it may hold, with the texts of its fields.

The schema knows types and grammar; what only the program can see (does the upstream exist, can the file be read) stays
with the program. TOML has no null, and any string may hold a reference instead of what its grammar asks for.
"""

from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{(env|file):",
    "description": 'A string with a reference: "${env:NAME}", "${env:NAME:-default}" or "${file:PATH}".',
}
_BY_NAME = ("properties", "$defs", "patternProperties")
_TO_REFERENCE = {"$ref": "#/$defs/Reference"}


def schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Return the JSON Schema of files that ``model`` describes."""
    # As written, for what is read: only so are defaults what a file would say, "30s" and not 30.0.
    made: dict[str, Any] = _toml(model.model_json_schema(mode="serialization"))
    made["$defs"] = {**made.get("$defs", {}), "Reference": _REFERENCE}
    return {"$schema": DIALECT, "title": title, **made}


def _toml(node: Any) -> Any:
    """Return a node of pydantic's schema without null and titles, references allowed where strings have a grammar."""
    if isinstance(node, list):
        return [_toml(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _named(each) if key in _BY_NAME else _toml(each) for key, each in node.items() if key != "title"}
    if "anyOf" in node:
        node["anyOf"] = [each for each in node["anyOf"] if each != {"type": "null"}]
    if node.get("default", 0) is None:
        del node["default"]
        if any(_bare(each) == {"const": "off"} for each in node.get("anyOf", ())):
            node["default"] = "off"
    if len(node.get("anyOf", ())) == 1:
        node = {**node.pop("anyOf")[0], **node}
    return _or_reference(node)


def _named(nodes: dict[str, Any]) -> dict[str, Any]:
    """Return nodes that stand below names of somebody's choice, which mean nothing here."""
    return {name: _toml(node) for name, node in nodes.items()}


def _or_reference(node: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in node:
        choices = node["anyOf"]
        if any(_has_grammar(each) or _TO_REFERENCE in each.get("anyOf", ()) for each in choices):
            node["anyOf"] = [*(_bare(each) for each in choices), _TO_REFERENCE]
        return node
    if not _has_grammar(node):
        return node
    grammar = {key: node.pop(key) for key in ("type", "pattern", "enum", "const", "minLength") if key in node}
    return {"anyOf": [grammar, _TO_REFERENCE], **node}


def _bare(choice: dict[str, Any]) -> dict[str, Any]:
    """Return a choice without the reference that it was given when it was looked at by itself."""
    within = choice.get("anyOf", ())
    return within[0] if len(within) == 2 and within[1] == _TO_REFERENCE else choice


def _has_grammar(node: dict[str, Any]) -> bool:
    return "pattern" in node or "enum" in node or isinstance(node.get("const"), str)
