"""A certificate authority of the tests' own, and what it signed, as files and as contexts."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files; the server certificate is good for ``localhost`` and 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path
    client_certificate: Path
    """Certificate and key of a client, in one file."""
    other_ca: Path
    """An authority that signed none of these."""

    def server_context(self) -> ssl.SSLContext:
        """Return a context for a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a context for a client that trusts the authority."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Set by some Pythons: cuts would look like clean ends.
        return context


def make_tls_files(directory: Path) -> TlsFiles:
    """Make an authority and its certificates in ``directory``."""
    authority, other = trustme.CA(), trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    client = authority.issue_cert("client@example.test")
    files = TlsFiles(
        directory / "ca.pem",
        directory / "server.pem",
        directory / "server.key",
        directory / "client.pem",
        directory / "other-ca.pem",
    )
    authority.cert_pem.write_to_path(str(files.ca))
    other.cert_pem.write_to_path(str(files.other_ca))
    server.private_key_pem.write_to_path(str(files.key))
    for index, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(str(files.certificate), append=index > 0)
    client.private_key_and_cert_chain_pem.write_to_path(str(files.client_certificate))
    return files
