"""TLS on the listeners."""

import ssl

from gateway.settings.tls_files import key_file


def server_context(
    certificate: str, key: str, client_ca: str | None, *, optional_certificates: bool = False
) -> ssl.SSLContext:
    """Return the context of a listener.

    ``certificate`` and ``client_ca`` are paths, ``key`` is a path or the PEM text itself; with ``client_ca`` every
    client must show a certificate signed by it, or none at all with ``optional_certificates``. Raises ``OSError``
    (which ``ssl.SSLError`` is) where a file cannot be read or does not fit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Set by some Pythons: a cut would look like a clean end.
    with key_file(key) as path:
        context.load_cert_chain(certificate, path)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL if optional_certificates else ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context
