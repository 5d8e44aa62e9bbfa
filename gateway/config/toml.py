"""Values written as TOML: what `tomllib` reads back is the same value."""

import json
from collections.abc import Mapping

from gateway.config.problem import dotted


def written(value: object) -> str:
    """Return ``value`` as it stands after ``=``: text, numbers, truth, arrays, and tables inline.

    Raises TypeError for anything else, None included, which TOML does not have.
    """
    if isinstance(value, str):
        return _escaped(json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_escaped(dotted((key,)))} = {written(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written, value))}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _escaped(json_string: str) -> str:
    """Return a JSON string as a basic string of TOML, which it is but for DEL."""
    return json_string.replace("\x7f", "\\u007f")
