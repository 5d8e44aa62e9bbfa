"""Numbers as people read them on the dashboard."""

from gateway.admin import words


def test_what_is_not_known_is_a_dash() -> None:
    """Whatever its unit would be; zero is known."""
    told = (words.duration, words.milliseconds, words.octets, words.count)
    assert [each(None) for each in told] == [words.NOTHING] * 4
    assert [each(0) for each in told] == ["0.0s", "0.0ms", "0B", "0"]


def test_times_of_day_are_utc() -> None:
    """Wherever the machine stands."""
    assert words.clock(1_795_178_117.9) == "12:35:17"
    assert words.count(1_234_567) == "1,234,567"
