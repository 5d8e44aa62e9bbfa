"""Exceptions of sockets, TLS, requests and urllib3, turned into failures: one function for each phase of an attempt.

Nothing that leaves this room is an OSError: the server would take it for the client's socket. Details name the kind of
error and the endpoint's side of it; they never repeat a target or a field.
"""

import os
import socket
import ssl

import requests
import urllib3

from gateway.exchange.failure import (
    BODY_CUT,
    BODY_INVALID,
    CONNECT_FAILED,
    CONNECT_REFUSED,
    CONNECT_TIMEOUT,
    DNS_FAILED,
    FIRST_BYTE_TIMEOUT,
    HEAD_INVALID,
    HEAD_MISSING,
    SEND_FAILED,
    TLS_FAILED,
    TLS_UNTRUSTED,
    Failure,
    Kind,
)


def connecting(error: Exception, where: str) -> Failure:
    """Return the failure of an attempt that has no connection yet. ``where`` is the endpoint as it is configured."""
    return Failure(_connecting_kind(error), f"{where}: {describe(error)}")


def _connecting_kind(error: Exception) -> Kind:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return DNS_FAILED
    if isinstance(error, ssl.SSLCertVerificationError):
        return TLS_UNTRUSTED
    if isinstance(error, ssl.SSLError):
        return TLS_FAILED
    if isinstance(error, ConnectionRefusedError):
        return CONNECT_REFUSED
    if isinstance(error, TimeoutError):
        return CONNECT_TIMEOUT
    return CONNECT_FAILED


def handshaking(error: Exception, where: str) -> Failure:
    """Return the failure of a TLS handshake: a peer that hangs up in the middle of it failed at TLS, too."""
    kind = _connecting_kind(error)
    return Failure(TLS_FAILED if kind is CONNECT_FAILED else kind, f"{where}: {describe(error)}")


def sending(error: Exception) -> Failure:
    """Return the failure of a request that could not be sent whole."""
    return Failure(SEND_FAILED, describe(error))


def awaiting(error: Exception | None, answered: bool) -> Failure:
    """Return the failure of a wait for a head; ``error`` None for an end of the stream."""
    what = describe(error) if error is not None else "it closed the connection"
    return Failure(HEAD_MISSING, f"{what}, {'inside the head' if answered else 'before any octet of an answer'}")


def reading(error: Exception) -> Failure:
    """Return the failure of a body."""
    if isinstance(error, urllib3.exceptions.InvalidChunkLength):
        return Failure(BODY_INVALID, describe(error))
    return Failure(BODY_CUT, describe(error))


def library(error: Exception, where: str) -> Failure:
    """Return the failure behind an exception that requests or urllib3 made on the way to a head."""
    cause = _innermost(error)
    if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
        return connecting(cause, where)
    kind = HEAD_MISSING
    for types, of_type in _LIBRARY_KINDS:
        if isinstance(error, types) or isinstance(cause, types):
            kind = of_type
            break
    return Failure(kind, f"{where}: {describe(cause)}")


_LIBRARY_KINDS: tuple[tuple[tuple[type[Exception], ...], Kind], ...] = (
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), CONNECT_TIMEOUT),
    ((requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError), FIRST_BYTE_TIMEOUT),
    ((urllib3.exceptions.NameResolutionError,), DNS_FAILED),
    ((requests.exceptions.SSLError, urllib3.exceptions.SSLError), TLS_FAILED),
    ((requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError), HEAD_MISSING),
    ((requests.exceptions.InvalidHeader, requests.exceptions.ContentDecodingError), HEAD_INVALID),
    ((requests.ConnectionError, urllib3.exceptions.NewConnectionError), CONNECT_FAILED),
)


def _innermost(error: Exception) -> Exception:
    """Return the exception that the libraries wrapped, following their ``args`` and ``reason``; the loop is bounded."""
    for _ in range(8):
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, Exception):
            break
        error = inner
    return error


def describe(error: Exception) -> str:
    """Return what kind of error it is, without the values that its text may quote."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {getattr(error, 'verify_message', 'unknown reason')}"
    if isinstance(error, ssl.SSLError):
        # Errors that OpenSSL did not make itself lack the attribute.
        return f"TLS error {getattr(error, 'reason', None) or 'of unknown reason'}"
    if isinstance(error, socket.gaierror):
        return f"name not resolved: {error.strerror}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__
