"""Which JSON value in the place of a record tells an error."""

from typing import Any

from gateway.formats.conversion.strict_json import Number


def tells_error(value: Any) -> bool:
    """Say whether ``value`` is an object with nothing but ``error``, and that is not empty."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    error = value.get("error")
    return float(error) != 0 if isinstance(error, Number) else bool(error)
