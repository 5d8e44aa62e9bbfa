"""Where keys and values stand, compared with what `tomllib` reads from the same text."""

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.positions import Path, Place, scan

KEY = re.compile(r"""\"(?:[^\"\\]|\\.)*\"|'[^']*'|[A-Za-z0-9_-]+""")

HARD = '''\
# A comment with = and [brackets] and "quotes".
top = 1

[ a . "b.c" ]   # blanks and a quoted key
d.e . 'f' = { g = [1, 2,], "h i".j = """x"""", k = {} }
text = """
[not.a.table]
key = "no \\""" key" """
raw = \'\'\'
'' = '' [[x]] \'\'\'\'\'
when = [ 1979-05-27 07:32:00Z , 07:32:00,
  # a comment ] in an array
  [ "]", '#', "\\"" ], # another
]

[[list]]
name = "first"
[list.sub]
x = -1e5
[[list.deep]]
y = true
[[list.deep]]
y = false
[[list]]
[list.sub]
x = inf
'''


def paths_in(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Return every path in a document with its value, tables and arrays included."""
    found = {path: value} if path else {}
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        found |= paths_in(inner, (*path, step))
    return found


def assert_all_found(text: str) -> None:
    """Compare the positions in ``text`` with its values: each is where it is said to be."""
    expected = paths_in(tomllib.loads(text))
    found = scan(text)

    assert set(found.keys) == {path for path in expected if isinstance(path[-1], str)}
    assert {path for path in expected if isinstance(path[-1], int)} <= set(found.values) <= set(expected)
    for path, offset in found.keys.items():
        key = KEY.match(text, offset)
        assert key is not None
        assert list(tomllib.loads(f"{key[0]} = 1")) == [path[-1]]
    for path, (start, end) in found.values.items():
        if isinstance(expected[path], dict) and text[start] == "[":
            assert tomllib.loads(text[start:end]), "a table of an array of tables is where its header is"
        else:
            assert repr(tomllib.loads(f"v = {text[start:end]}")["v"]) == repr(expected[path])


def test_hard_input_is_read_as_tomllib_reads_it() -> None:
    """Quoted and dotted keys, strings that look like tables, dates with blanks, nested arrays: all are found."""
    assert_all_found(HARD)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("top",), (2, 1), (2, 7)),
        (("a", "b.c", "d", "e", "f", "g", 1), (5, 23), (5, 23)),
        (("a", "b.c", "d", "e", "f", "h i", "j"), (5, 34), (5, 38)),
        (("list", 0), (16, 1), (16, 1)),
        (("list", 1, "sub", "x"), (26, 1), (26, 5)),
        (("list", 0, "deep", 1, "y"), (23, 1), (23, 5)),
        (("list", 0, "missing"), (16, 1), (16, 1)),
    ],
)
def test_a_path_has_its_line_and_column(path: Path, key: Place, value: Place) -> None:
    """Places are counted from 1; what is not there is placed at the table that lacks it."""
    found = scan(HARD)

    assert (found.of_key(path), found.of_value(path)) == (key, value)


def test_what_has_no_place_anywhere_has_none() -> None:
    """A path that the text says nothing about is nowhere, not on line 1."""
    assert scan("a = 1").of_value(("b",)) is None


scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False),
    st.datetimes(),
    st.dates(),
    st.text(max_size=8),
)
keys = st.one_of(st.sampled_from(["a", "b-c", "1", "d_e"]), st.text(alphabet="ab.\"'#=[] ", min_size=1, max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
tables = st.dictionaries(keys, values, max_size=4)


def key_text(key: str) -> str:
    """Write a key bare where it may be."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key)


def string_text(text: str, style: int) -> str:
    """Write a string in one of TOML's four ways, where it can be written so."""
    plain = all(char >= " " and char != "\x7f" for char in text)
    if style == 1 and plain and "'" not in text:
        return f"'{text}'"
    if style == 2 and plain and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    basic = json.dumps(text, ensure_ascii=True).replace("\x7f", "\\u007f")
    for surrogate in (text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore") != text, "\\ud" in basic):
        if surrogate:
            basic = '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'
    return f'""{basic}""' if style == 3 else basic


def value_text(value: Any, draw: Any) -> str:
    """Write a value, with blanks and line breaks where they may stand."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return string_text(value, draw(st.integers(0, 3)))
    if isinstance(value, list):
        gap = draw(st.sampled_from(["", " ", "\n", " # ] , \n\t"]))
        comma = f"{gap},{gap}"
        last = "," if value and draw(st.booleans()) else ""
        return f"[{gap}{comma.join(value_text(each, draw) for each in value)}{gap}{last}{gap}]"
    if isinstance(value, dict):
        gap = draw(st.sampled_from(["", " ", "\t"]))
        pairs = (f"{gap}{key_text(key)}{gap}={gap}{value_text(each, draw)}{gap}" for key, each in value.items())
        return "{" + ",".join(pairs) + "}"
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


def table_text(table: dict[str, Any], name: list[str], draw: Any) -> str:
    """Write the pairs of a table, then its tables: inline, dotted, with headers or as arrays of tables."""
    pairs, below = "", ""
    for key, value in table.items():
        style = draw(st.integers(0, 2))
        inner = [*name, key_text(key)]
        header = ".".join(inner)
        if style == 1 and isinstance(value, dict):
            below += f"[ {header} ]\n{table_text(value, inner, draw)}"
        elif style == 1 and isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            below += "".join(f"[[{header}]] # x\n{table_text(each, inner, draw)}" for each in value)
        elif style == 2 and isinstance(value, dict) and value:
            pairs += "".join(
                f"{key_text(key)} . {key_text(inner_key)} = {value_text(each, draw)}\n"
                for inner_key, each in value.items()
            )
        else:
            pairs += f"{key_text(key)}={value_text(value, draw)} # x\n"
    return pairs + below


@given(tables, st.data())
def test_every_path_of_any_document_is_found(table: dict[str, Any], data: st.DataObject) -> None:
    """However a document is written, each of its keys and values has its own place."""
    assert_all_found(table_text(table, [], data.draw))
