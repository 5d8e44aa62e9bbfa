"""New connections to an endpoint: name resolution, TCP or a unix socket, TLS.

The deadline for all of it arrives as an exception thrown into the wait, and every wait closes its socket before it
lets one pass. Several addresses of a name are tried beside each other: see `gateway.upstream.eyeballs`.

A name is resolved anew for every connection: what the resolver says now counts, and it may remember if it likes.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from gateway.exchange.failure import ADDRESS_REFUSED, Failure, FailureError
from gateway.exchange.link_local import on_own_link
from gateway.exchange.route import TlsToUpstream
from gateway.exchange.target import Endpoint
from gateway.upstream import translate
from gateway.upstream.eyeballs import first_connected

_PEM_BEGINS = "-----BEGIN "


def tls_context(tls: TlsToUpstream) -> ssl.SSLContext:
    """Return the context that verifies an upstream's endpoints.

    Without a ``ca`` of its own: the system's authorities, or those that come with requests where the system has none
    (small container images). Raises ValueError for a bundle, or a certificate of our own, that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if not tls.verify else _verifying_context(tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    # Some Pythons (3.11.2 of Debian 12) set this by themselves: anybody's cut would look like a clean end (law 3).
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if tls.certificate is not None:
        _show(context, tls.certificate, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _verifying_context(ca: str | None) -> ssl.SSLContext:
    bundle = ca
    if bundle is None and not _system_has_authorities():
        bundle = DEFAULT_CA_BUNDLE_PATH
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise ValueError(f"tls.ca: {bundle} is not a readable bundle of PEM certificates ({error})") from error


def _show(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Let ``context`` show a certificate to whoever asks for one; ``key`` is a path, or the PEM text itself."""
    with contextlib.ExitStack() as stack:
        path = key
        if key is not None and key.lstrip().startswith(_PEM_BEGINS):
            descriptor = os.memfd_create("key")  # In memory: a key that came from a reference is not written to a disk.
            stack.callback(os.close, descriptor)
            os.write(descriptor, key.encode())
            path = f"/proc/self/fd/{descriptor}"
        try:
            context.load_cert_chain(certificate, path, password=_no_password)
        except OSError as error:
            raise ValueError(
                f"tls.certificate: {certificate} and its key cannot be used ({translate.describe(error)})"
            ) from None


def _no_password() -> str:
    """Stand in for a question that nobody would answer."""
    raise ValueError("the key is encrypted; a gateway cannot ask for its password")


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (bool(paths.capath) and bool(os.listdir(paths.capath)))


def dial(endpoint: Endpoint, connect_seconds: float | None = None, *, allow_link_local: bool = False) -> socket.socket:
    """Return a new connection to ``endpoint``, without TLS; `secured` is what comes behind it.

    ``connect_seconds`` is what the caller's deadline allows for all of it, so that each of several addresses has its
    turn within it. None for no deadline: an address then has until the kernel gives up. Raises ``FailureError`` with
    one of the kinds whose request was not sent.

    Addresses of the own link are left out unless ``allow_link_local``: see `allowed`.
    """
    try:
        return _unix(endpoint.host) if endpoint.unix else _tcp(_addresses(endpoint, allow_link_local), connect_seconds)
    except (OSError, UnicodeError) as error:
        raise FailureError(translate.connecting(error, str(endpoint))) from error


def secured(sock: socket.socket, endpoint: Endpoint, context: ssl.SSLContext, server_name: str | None) -> ssl.SSLSocket:
    """Return TLS over ``sock``, a new connection to ``endpoint``, which is closed where there is none.

    Raises ``FailureError`` with one of the kinds whose request was not sent. To be called beside `dial`, not by it: it
    goes so deep down that the frames of both would not fit into a page of memory (docs/performance.md).
    """
    try:
        # Ragged ends are reported, not swallowed: an end without close_notify may be anybody's cut.
        sock = tls = context.wrap_socket(
            sock,
            server_hostname=server_name or _certified_name(endpoint),
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
        tls.do_handshake()
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError | ValueError):
            raise FailureError(translate.handshaking(error, str(endpoint))) from error
        raise
    return tls


_on_own_link = lru_cache(maxsize=1024)(on_own_link)
"""It says the same of an address each time, after some work."""

Resolved = tuple[int, int, int, str, Any]
"""One of `socket.getaddrinfo`: family, type, protocol, canonical name, socket address."""


def allowed(addresses: Sequence[Resolved], where: str) -> Sequence[Resolved]:
    """Return those of ``addresses`` that may be connected to: the very ones, so that no second answer can replace them.

    Raises ``FailureError`` with ADDRESS_REFUSED where none is left. ``where`` is the endpoint as it is configured.
    """
    left = [each for each in addresses if not _on_own_link(str(each[4][0]))]
    if addresses and not left:
        detail = f"{where}: its name resolves to an address of the own link, without allow_link_local"
        raise FailureError(Failure(ADDRESS_REFUSED, detail))
    return left


def literal(host: str, port: int) -> Sequence[Resolved]:
    """Return what the resolver would for a host that is an address; nothing for a name, or an address with a zone.

    The resolver is asked in another thread, at a cost, and so deep down that its frames reach into a second page of
    memory, which the exchange's greenlet then keeps for as long as its stream is open.
    """
    family, address = (socket.AF_INET6, (host, port, 0, 0)) if ":" in host else (socket.AF_INET, (host, port))
    try:
        socket.inet_pton(family, host)
    except OSError:
        return ()
    return ((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address),)


def _addresses(endpoint: Endpoint, allow_link_local: bool) -> Sequence[Resolved]:
    """Return the addresses of the endpoint's host that may be used."""
    addresses: Sequence[Resolved] = literal(endpoint.host, endpoint.port)
    if not addresses:
        addresses = socket.getaddrinfo(endpoint.host, endpoint.port, 0, socket.SOCK_STREAM)
    return addresses if allow_link_local else allowed(addresses, str(endpoint))


def _tcp(addresses: Sequence[Resolved], connect_seconds: float | None) -> socket.socket:
    """Connect to the first of ``addresses`` that will have it."""
    if len(addresses) != 1:
        return first_connected(addresses, connect_seconds)
    family, kind, protocol, _, address = addresses[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _certified_name(endpoint: Endpoint) -> str:
    """Return the name that the certificate must be for, without the root's dot, which no certificate carries."""
    return "localhost" if endpoint.unix else endpoint.host.removesuffix(".")
