"""Exceptions become failures, one table for each phase."""

import errno
import socket
import ssl

import pytest
import requests
import urllib3

from gateway.upstream import translate

UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
UNTRUSTED.verify_message = "unable to get local issuer certificate"
POOL = urllib3.HTTPConnectionPool("up.example")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns_failed"),
        (UnicodeError("label too long"), "dns_failed"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connect_refused"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "connect_timeout"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "connect_failed"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "connect_failed"),
        (UNTRUSTED, "tls_untrusted"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "tls_failed"),
    ],
)
def test_connecting_failures_are_told_apart(error: Exception, code: str) -> None:
    """Each says what to look at, where, and that nothing was sent."""
    failure = translate.connecting(error, "http://up.example")

    assert failure.kind.code == code
    assert failure.kind.unsent
    assert failure.detail.startswith("http://up.example: ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset"), "tls_failed"),
        (ssl.SSLEOFError(8, "EOF occurred"), "tls_failed"),
        (UNTRUSTED, "tls_untrusted"),
        (ValueError("server_hostname cannot be empty"), "tls_failed"),
    ],
)
def test_handshake_failures_are_failures_of_tls(error: Exception, code: str) -> None:
    """A peer that hangs up during the handshake did accept the connection."""
    assert translate.handshaking(error, "https://up.example").kind.code == code


def test_failures_after_connecting_are_named_by_their_phase() -> None:
    """Sent in part, no answer, half a head, half a body: four different things."""
    reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    assert str(translate.sending(reset)) == "send_failed: Connection reset by peer"
    assert str(translate.awaiting(None, False)) == (
        "head_missing: it closed the connection, before any octet of an answer"
    )
    assert str(translate.awaiting(reset, True)) == "head_missing: Connection reset by peer, inside the head"
    assert str(translate.reading(reset)) == "body_cut: Connection reset by peer"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (urllib3.exceptions.IncompleteRead(3, 5), "body_cut"),
        (urllib3.exceptions.ProtocolError("Connection broken"), "body_cut"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "body_cut"),
    ],
)
def test_broken_bodies_are_cut(error: Exception, code: str) -> None:
    """Whatever noticed it."""
    assert translate.reading(error).kind.code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (requests.ConnectTimeout("late"), "connect_timeout"),
        (requests.ReadTimeout("late"), "first_byte_timeout"),
        (requests.exceptions.SSLError("bad"), "tls_failed"),
        (requests.ConnectionError("refused by a stand-in"), "connect_failed"),
        (requests.ConnectionError(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "connect_refused"),
        (requests.ConnectionError(socket.gaierror(socket.EAI_NONAME, "unknown")), "dns_failed"),
        (
            requests.ConnectionError(
                urllib3.exceptions.MaxRetryError(POOL, "/", urllib3.exceptions.ProtocolError("gone"))
            ),
            "head_missing",
        ),
        (requests.exceptions.SSLError(urllib3.exceptions.SSLError(UNTRUSTED)), "tls_untrusted"),
        (requests.exceptions.ChunkedEncodingError("broken"), "head_missing"),
        (requests.exceptions.InvalidHeader("odd"), "head_invalid"),
        (requests.RequestException("anything"), "head_missing"),
    ],
)
def test_what_the_library_wraps_is_found(error: requests.RequestException, code: str) -> None:
    """The innermost exception says what happened."""
    assert translate.library(error, "http://up.example").kind.code == code


def test_details_quote_nothing_an_exception_quotes() -> None:
    """Exceptions carry URLs and fields; details carry neither."""
    quoting = requests.ConnectionError("https://user:secret@up.example/?token=secret")

    assert "secret" not in str(translate.library(quoting, "https://up.example"))
    assert "secret" not in str(translate.connecting(OSError("secret"), "https://up.example"))
