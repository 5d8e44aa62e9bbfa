"""Whether the files named for TLS are what they should be: told when the settings are read, not at the first client."""

import contextlib
import os
import stat
from collections.abc import Iterator

from gateway.config.files import PEM_BEGINS


def certificate_fault(certificate: str, key: str) -> str | None:
    """Return why a certificate file and a key (a path, or the PEM text itself) cannot be used together, or None."""
    import ssl  # Not at the top: gevent must patch it before it is first imported (RecursionError otherwise).

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        with key_file(key) as path:
            context.load_cert_chain(certificate, path, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is not the one of this certificate"
        return "no certificate chain and key in PEM format"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


@contextlib.contextmanager
def key_file(key: str) -> Iterator[str]:
    """Lend the path of a key that is given as a path, or as the PEM text itself."""
    if not key.lstrip().startswith(PEM_BEGINS):
        yield key
        return
    # Only in memory: a key that came from a reference is not written to a disk.
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, key.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def authorities_fault(path: str) -> str | None:
    """Return why the file ``path`` cannot serve as a bundle of authorities, or None."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "no certificates in PEM format"
    except OSError as error:
        return error.strerror
    return None


def readable_by_all(path: str) -> bool:
    """Say whether every user of the machine may read the file ``path``."""
    return bool(os.stat(path).st_mode & stat.S_IROTH)


def _no_password() -> str:
    """Stand in for a question that nobody would answer."""
    raise ValueError("the key is encrypted; a gateway cannot ask for its password")
