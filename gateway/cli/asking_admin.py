"""How a command asks the admin listener of a running gateway: by its address, its certificate and a token."""

import json
import os
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gateway.settings import AdminSettings

TOKEN_VARIABLE = "GATEWAY_ADMIN_TOKEN"  # noqa: S105 - the name of a variable
_ANSWER_SECONDS = 5.0
_INSTEAD = (
    "send SIGHUP to the gateway's first process instead",
    "POST /-/reload with one, or send SIGHUP to the gateway's first process",
)


class AdminListener:
    """The admin listener that the settings describe."""

    def __init__(self, admin: "AdminSettings", *, right: str = "read", instead: tuple[str, str] = _INSTEAD) -> None:
        """``right`` is what the token must be good for; ``instead`` says what to do where a command cannot ask.

        The two ways: without an address it could connect to, and without the client certificate that is asked for.
        Raises ``click.ClickException`` for such a listener.
        """
        self._right = right
        if admin.listen is None or admin.listen.startswith("unix:"):
            raise click.ClickException(f"without a TCP admin listener, {instead[0]}")
        self.address = admin.listen
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]  # the address is this machine's
        if admin.tls is not None:
            if admin.tls.client_ca is not None:
                raise click.ClickException(f"the admin listener asks for a client certificate: {instead[1]}")
            handlers.append(urllib.request.HTTPSHandler(context=trusting_only(admin.tls.certificate)))
        self._base = f"{'http' if admin.tls is None else 'https'}://{admin.listen}/-"
        self._opener = urllib.request.build_opener(*handlers)
        self._token = os.environ.get(TOKEN_VARIABLE) or _token(admin, right)

    def get(self, page: str) -> Any:
        """Return what ``/-/page`` says. Raises ``OSError``, and ``click.ClickException`` where we may not read."""
        _, content = self.ask(page)
        if page == "ready" and "worker" not in content:
            raise click.ClickException(self._not_allowed())
        return content

    def ask(self, page: str, method: str = "GET") -> tuple[int, Any]:
        """Return with which status ``/-/page`` answers, and what it says. Raises as `get` does."""
        request = urllib.request.Request(f"{self._base}/{page}", method=method)  # noqa: S310 - http and https only
        request.add_header("X-Requested-With", "gateway")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:  # It holds the connection.
                if error.code in (401, 403, 421):
                    raise click.ClickException(self._not_allowed()) from None
                return error.code, json.load(error)  # draining: not ready, but it says how it stands
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError):
                raise error.reason from None  # What the system said, without urllib's brackets around it.
            raise

    def _not_allowed(self) -> str:
        return (
            f"the admin listener on {self.address} wants a token that may {self._right}: put one into {TOKEN_VARIABLE}"
        )


def _token(admin: "AdminSettings", right: str) -> str | None:
    tokens = (each.token for each in admin.tokens if right in each.rights)
    return next((token.reveal() for token in tokens if token is not None), None)


def trusting_only(certificate: str) -> ssl.SSLContext:
    """Return a context that trusts the listener's own certificate and no other, whatever name it is for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context
