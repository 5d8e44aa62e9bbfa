"""How findings are printed."""

import json

import pytest

from gateway.doctor.findings import bad, good, note, span
from gateway.doctor.telling import as_json, lines, status

FOUND = [good("a", "Well."), note("bcd", "So so.", "Look."), bad("e", "Wrong.", "Do something.")]


def test_text_has_a_mark_a_sentence_and_advice_below_it() -> None:
    """In columns, with a summary at the end."""
    assert list(lines(FOUND, colours=False)) == [
        "  ✓ a    Well.",
        "  · bcd  So so.",
        "         -> Look.",
        "  ✗ e    Wrong.",
        "         -> Do something.",
        "",
        "1 thing is wrong.",
    ]
    assert list(lines(FOUND[:1], colours=False))[-1] == "All is well."
    assert list(lines([FOUND[2], FOUND[2]], colours=False))[-1] == "2 things are wrong."


def test_long_sentences_are_folded_below_themselves() -> None:
    """At spaces only, so that what is to be copied stays whole."""
    (first, *_) = lines([good("a", "word " * 20 + "x" * 40)], colours=False, width=40)
    folded = first.split("\n")
    assert len(folded) > 3 and all(line.startswith("       ") for line in folded[1:])
    assert folded[-1].strip() == "x" * 40


def test_colours_are_those_of_the_marks_alone() -> None:
    """What comes from the network cannot steer the terminal."""
    (first, *_) = lines([bad("a", "evil \x1b[2J\r\n server", "x")], colours=True)
    assert first.count("\x1b") == 2 and "evil ?[2J?? server" in first


def test_json_has_every_finding_whole() -> None:
    """An array of objects with four texts each."""
    assert json.loads(as_json(FOUND))[1] == {"check": "bcd", "severity": "note", "said": "So so.", "advice": "Look."}


def test_status_is_1_only_where_something_is_wrong() -> None:
    """Notes fail nothing."""
    assert (status(FOUND), status(FOUND[:2]), status([])) == (1, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 ms"), (0.0456, "46 ms"), (1.0, "1 s"), (1.26, "1.3 s"), (65.0, "65 s")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    """Milliseconds below a second, tenths above."""
    assert span(seconds) == text
