"""The reader of requests and octets made by chance: typed refusals only, however they are cut, as h11 reads them."""

from collections.abc import Iterable

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.unreader import IterUnreader
from hypothesis import strategies as st
from support import h11_readings
from support.fuzzing import cuts, fuzz, pieces, requests

from gateway.exchange.failure import FailureError
from gateway.server.refusal import failure_of
from gateway.server.request import ExactRequest, Limits

_LIMITS = Limits(request_line_bytes=2048, fields=20, field_bytes=1024, head_bytes=8192)
_CONFIG = Config()
_CONFIG.set("http_parser", "python")
_CONFIG.set("permit_unconventional_http_method", True)


def requests_in(octets: Iterable[bytes]) -> tuple[list[tuple[str, bytes]], str]:
    """Read request after request; return method with target and body of each, and how it ended."""
    unreader = IterUnreader(octets)
    found: list[tuple[str, bytes]] = []
    while True:
        try:
            request = ExactRequest(_CONFIG, unreader, ("192.0.2.7", 1), 1, limits=_LIMITS, scheme="http")
            request.wants_continue = False  # There is nobody to tell.
            body = b"".join(request.body.pieces())
        except (StopIteration, NoMoreData) as end:
            return found, "end" if isinstance(end, StopIteration) else "cut"
        except FailureError as error:
            return found, error.failure.kind.code
        except ParseException as error:
            failure = failure_of(error)
            assert failure is not None, f"no word for {error!r}"
            return found, failure.kind.code
        found.append((f"{request.method} {request.uri}", body))
        if request.should_close():
            return found, "closes"


def check_one(octets: bytes, at: list[int]) -> str:
    """Compare the readings of ``octets`` whole, cut and octet by octet, and h11's; return how they end."""
    found, end = requests_in([octets])
    assert requests_in(pieces(octets, at)) == (found, end)
    assert requests_in([octets[index : index + 1] for index in range(len(octets))]) == (found, end)
    assert h11_readings.requests_in(octets).agrees([*found])
    return end


def test_octets_by_chance_have_one_reading_however_they_are_cut() -> None:
    """What is accepted, h11 reads as the same requests; nothing but a typed refusal ever comes out."""
    ends: list[str] = []
    fuzz(st.tuples(requests(), cuts()), lambda example: ends.append(check_one(*example)), examples=800)
    assert {"end", "cut", "closes", "bad_request", "upload_cut"} <= set(ends)
