"""What is said about names, connections, certificates and clocks."""

import pytest

from gateway.doctor.facts import Answer, Reach, Report, Tls
from gateway.doctor.findings import Severity
from gateway.doctor.reaching import clocks, date_seconds, reaching

NOON = 1_795_176_000.0
NOON_DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
GOOD, NOTE, BAD = Severity.GOOD, Severity.NOTE, Severity.BAD


@pytest.mark.parametrize(
    ("reach", "found"),
    [
        (Reach("x", ("192.0.2.1",)), [("connect", GOOD)]),
        (Reach("x", lookup_seconds=1.5), [("name", NOTE)]),
        (Reach("x", connect_seconds=3.0), [("connect", NOTE)]),
        (Reach("x", failed="lookup", why="no"), [("name", BAD)]),
        (Reach("x", failed="connect", why="refused"), [("connect", BAD)]),
        (Reach("x", failed="tls", why="eof"), [("connect", GOOD), ("tls", BAD)]),
        (Reach("x", tls=Tls("TLSv1.3", 90.0)), [("connect", GOOD), ("tls", GOOD)]),
        (Reach("x", tls=Tls("TLSv1.2", 30.0)), [("connect", GOOD), ("tls", GOOD)]),
        (Reach("x", tls=Tls("TLSv1.2", 29.9)), [("connect", GOOD), ("tls", BAD)]),
        (Reach("x", tls=Tls("TLSv1.1", 90.0)), [("connect", GOOD), ("tls", BAD)]),
        (Reach("x", tls=Tls("TLSv1.3", None, verified=False)), [("connect", GOOD), ("tls", NOTE)]),
    ],
)
def test_each_trouble_on_the_way_is_told_once(reach: Reach, found: list[tuple[str, Severity]]) -> None:
    """The step that failed is bad, what is slow or unverified a note, an expiry within 30 days bad."""
    assert [(each.check, each.severity) for each in reaching(reach)] == found


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (10, "has expired"),
        (9, "not valid yet"),
        (18, "signed by itself"),
        (19, "not trusted here"),
        (20, "not trusted here"),
        (21, "intermediate certificates"),
        (62, "another name"),
        (64, "not for this address"),
        (23, "not accepted (revoked)"),
        (0, "TLS does not come about (revoked)"),
    ],
)
def test_fault_of_a_certificate_is_said_in_words(number: int, words: str) -> None:
    """OpenSSL's numbers become sentences, with something to do; unknown ones keep its own words."""
    found = reaching(Reach("x", failed="tls", why="revoked", certificate_fault=number))[-1]
    assert words in found.said and found.advice


@pytest.mark.parametrize(
    ("ahead", "severity"), [(0, GOOD), (2.9, GOOD), (-3, NOTE), (29, NOTE), (30, BAD), (-3600, BAD)]
)
def test_skew_counts_in_both_directions(ahead: float, severity: Severity) -> None:
    """Below 3 s clocks agree; from 30 s on it is bad; the sentence says which way."""
    answer = Answer(200, fields=(("Date", NOON_DATE),), wall_clock=NOON - ahead)
    (found,) = clocks("x", answer)
    assert found.severity is severity
    assert severity is GOOD or ("ahead of" if ahead > 0 else "behind") in found.said


def test_clock_of_the_far_end_is_compared_when_its_report_came() -> None:
    """Nearest and farthest clock are two findings."""
    answer = Answer(200, fields=(("Date", NOON_DATE),), wall_clock=NOON)
    found = clocks("x", answer, Report(wall_clock=NOON + 45, read_at=NOON + 5))
    assert [each.severity for each in found] == [GOOD, BAD]
    assert "the far end: its clock is 40 s ahead" in found[1].said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (NOON_DATE, NOON),
        ("Fri, 20 Nov 2026 12:00:00 UTC", None),
        ("Friday, 20-Nov-26 12:00:00 GMT", None),
        ("Fri, 20 Nov 2026 12:00 GMT", None),
        ("", None),
    ],
)
def test_date_is_read_in_the_form_that_is_sent(text: str, seconds: float | None) -> None:
    """RFC 9110 section 5.6.7; what cannot be read is None, and a note."""
    assert date_seconds(text) == seconds
    if seconds is None:
        assert [each.severity for each in clocks("x", Answer(200, fields=(("Date", text),)))] == [NOTE]
