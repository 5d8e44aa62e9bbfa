"""Errors told inside a stream get the status that they would have been."""

import pytest

from gateway.formats.in_band import LARGEST_BODY_BYTES, in_band_error, status_of


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "overloaded_error", 529),
        ({"type": "rate_limit_error"}, "rate_limit_error", 429),
        ({"type": "authentication_error"}, "authentication_error", 401),
        ({"type": "request_too_large"}, "request_too_large", 413),
        ({"type": "api_error"}, "api_error", 500),
        ({"type": "timeout_error"}, "timeout_error", 504),
        ({"code": 429, "message": "slow down", "metadata": {}}, "429", 429),
        ({"code": "503"}, "503", 503),
        ({"code": 408}, "408", 408),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, "context_length_exceeded", 400),
        ({"code": None, "type": "server_error"}, "server_error", 500),
        ({"code": "what_is_this", "type": "insufficient_quota"}, "what_is_this", 429),
        ({"code": "server_is_overloaded_or_so"}, "server_is_overloaded_or_so", 502),
        ({"type": "BadRequestError", "code": 400}, "400", 400),
        ({"code": 200}, "200", 502),
        ({"code": 10**9}, "1000000000", 502),
        ({"code": True}, "error", 502),
        ({"code": ["list"], "type": {"a": 1}}, "error", 502),
        ({"code": "\n ü"}, "error", 502),
        ({"code": "a b" * 99}, ("ab" * 99)[:64], 502),
        ({}, "error", 502),
        ("the model is gone", "error", 502),
        (None, "error", 502),
    ],
)
def test_error_of_an_api_has_its_word_and_the_status_it_stands_for(error: object, code: str, status: int) -> None:
    """Numbers and known words decide; what nobody knows is a bad gateway."""
    found = in_band_error(error, b"{}")
    assert (found.code, found.status, found.body) == (code, status, b"{}")


@pytest.mark.parametrize(("octets", "kept"), [(LARGEST_BODY_BYTES, True), (LARGEST_BODY_BYTES + 1, False)])
def test_document_of_an_error_is_kept_up_to_its_bound(octets: int, kept: bool) -> None:
    """A longer one is left out as a whole: half a document is none."""
    assert bool(in_band_error({}, b"x" * octets).body) is kept


@pytest.mark.parametrize("word", [399, 600, "39", "4000", "", 4.5, None])
def test_word_that_is_no_status_of_an_error_stands_for_none(word: object) -> None:
    """Only 400 to 599 are errors."""
    assert status_of(word) is None
