"""Names of columns."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.grammar.columns import Column

_COLUMN = TypeAdapter(Column)


@pytest.mark.parametrize("text", ["id", "user.name", "a b", "größe", "$x", "a,b"])
def test_path_of_names_is_a_column(text: str) -> None:
    """Any printable name of a member will do."""
    assert _COLUMN.validate_python(text) == text


@pytest.mark.parametrize("text", ["", ".", "a..b", ".a", "a.", "a\nb", "x" * 257])
def test_what_names_nothing_is_refused(text: str) -> None:
    """Each part is the name of a member, and no header line breaks."""
    with pytest.raises(ValidationError):
        _COLUMN.validate_python(text)
