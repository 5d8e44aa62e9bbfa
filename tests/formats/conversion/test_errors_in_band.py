"""Which value in the place of a record tells an error."""

import pytest

from gateway.formats.conversion.errors_in_band import tells_error
from gateway.formats.conversion.strict_json import parse


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"error": {"message": "no"}}', True),
        (b'{"error": "no"}', True),
        (b'{"error": 7}', True),
        (b'{"error": true}', True),
        (b'{"error": 0}', False),
        (b'{"error": 0.0}', False),
        (b'{"error": null}', False),
        (b'{"error": ""}', False),
        (b'{"error": {}}', False),
        (b'{"error": "no", "id": 1}', False),
        (b'{"errors": "no"}', False),
        (b"{}", False),
        (b'["error"]', False),
        (b'"error"', False),
    ],
)
def test_error_is_an_object_that_holds_nothing_else(text: bytes, error: bool) -> None:
    """A record that has a member of that name besides others is a record."""
    assert tells_error(parse(text)) is error
