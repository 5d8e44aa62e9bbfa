"""Settings of `credentials`: what an upstream is shown to prove who asks."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from gateway.config.files import ReadableFile
from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.secrets import Secret
from gateway.config.units import PositiveDuration, Size
from gateway.exchange.credential import Credential, Credentials, Hmac, Injected, SigV4, TokenSource
from gateway.exchange.fields import HOP_BY_HOP
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.grammar.tokens import OwnFieldName, Token
from gateway.policy import sigv4

_VISIBLE = re.compile("[!-~]+")
_VALUE = re.compile("[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_PARAMETER = re.compile("[A-Za-z0-9_.~-]{1,128}")
_URL = re.compile(r"([a-z]+://[^/?#]*)([!-~]*)", re.I)
MAX_BODY = 1024 * 1024


def _visible(secret: Secret) -> Secret:
    if not _VISIBLE.fullmatch(secret.reveal()):
        raise Unacceptable(message="it has a character that cannot stand there: only visible ones of ASCII can")
    return secret


def _value(secret: Secret) -> Secret:
    if not _VALUE.fullmatch(secret.reveal()):
        raise Unacceptable(message="a field's value has no control characters, and no blanks around it")
    return secret


def _printable(secret: Secret) -> Secret:
    if _CONTROL.search(secret.reveal()):
        raise Unacceptable(message="it has a control character, such as a line break")
    return secret


def _user(text: str) -> str:
    if ":" in text or _CONTROL.search(text):
        raise Unacceptable("a name without colon and control characters")
    return text


def _header(text: str) -> str:
    if text.lower() in HOP_BY_HOP or text.lower() == "expect":
        raise Unacceptable(message="this field has a meaning of its own")
    return text


def _parameter(text: str) -> str:
    if not _PARAMETER.fullmatch(text):
        raise Unacceptable('the name of a query parameter: letters, digits, "-", "_", "." and "~"')
    return text


def _visible_text(text: str) -> str:
    if not _VISIBLE.fullmatch(text):
        raise Unacceptable("visible characters of ASCII, no blanks")
    return text


def _token_url(text: str) -> str:
    match = _URL.fullmatch(text)
    if match is None or "#" in text or match[2][:1] not in ("", "/", "?"):
        raise Unacceptable('a URL such as "https://login.example.com/oauth2/token"')
    try:
        parse_endpoint(match[1])
    except ValueError as error:
        raise Unacceptable('a URL such as "https://login.example.com/oauth2/token"', message=str(error)) from None
    return text


VisibleSecret = Annotated[Secret, AfterValidator(_visible), Kind("secret")]
FieldSecret = Annotated[Secret, AfterValidator(_value), Kind("secret")]
PrintableSecret = Annotated[Secret, AfterValidator(_printable), Kind("secret")]
HeaderName = Annotated[OwnFieldName, AfterValidator(_header), Kind("field name")]
ParameterName = Annotated[str, AfterValidator(_parameter), Kind("parameter name")]
UserText = Annotated[str, AfterValidator(_user), Kind("string")]
VisibleText = Annotated[str, AfterValidator(_visible_text), Kind("string")]
TokenUrl = Annotated[str, AfterValidator(_token_url), Kind("URL")]
Body = Literal["signed", "unsigned"]


class BasicSettings(Model):
    """User and password (RFC 7617)."""

    user: UserText = Field(examples=["gateway"])
    """Name of the user. String; required."""
    password: PrintableSecret = Field(examples=["${env:UPSTREAM_PASSWORD}"])
    """The password. Secret; required."""


class OAuth2Settings(Model):
    """A token by client credentials (RFC 6749 section 4.4), fetched once for all who wait, and again before it ends."""

    token_url: TokenUrl = Field(examples=["https://login.example.com/oauth2/token"])
    """Where tokens are issued. URL; required."""
    client_id: VisibleText = Field(examples=["gateway"])
    """Name of the gateway there. String; required."""
    client_secret: PrintableSecret = Field(examples=["${env:CLIENT_SECRET}"])
    """Its secret. Secret; required."""
    scopes: tuple[VisibleText, ...] = Field(default=(), examples=[["chat"]])
    """What the token is to be good for. Array. Default empty: what the issuer gives."""
    audience: VisibleText | None = Field(default=None, examples=["https://api.example.com"])
    """Whom the token is for, where the issuer asks. String. Default not set."""
    auth: Literal["basic", "post"] = "basic"
    """How the client proves itself: in the Authorization field, or in the form. Default "basic"."""
    ca: ReadableFile | None = Field(default=None, examples=["tls/private-ca.pem"])
    """PEM file with the only authorities to trust for `token_url`. Path. Default: those of the system."""
    timeout: PositiveDuration = 5.0
    """How long a token may take to come. Duration. Default "5s". Exchanges wait for it only where there is none."""

    def source(self) -> TokenSource:
        """Return what these settings say, made for use."""
        endpoint, target = split_token_url(self.token_url)
        return TokenSource(
            endpoint=endpoint,
            target=target,
            client_id=self.client_id,
            client_secret=self.client_secret.reveal(),
            scope=" ".join(self.scopes),
            audience=self.audience,
            in_body=self.auth == "post",
            ca=self.ca,
            ca_digest=hashlib.sha256(Path(self.ca).read_bytes()).hexdigest() if self.ca is not None else "",
            timeout_seconds=self.timeout,
        )


class SigV4Settings(Model):
    """AWS Signature Version 4."""

    region: Token = Field(examples=["eu-central-1"])
    """Region of the service. Token; required."""
    service: Token = Field(examples=["bedrock"])
    """Name of the service in signatures. Token; required."""
    access_key_id: VisibleText = Field(examples=["${env:AWS_ACCESS_KEY_ID}"])
    """Id of the key. String; required."""
    secret_access_key: VisibleSecret = Field(examples=["${env:AWS_SECRET_ACCESS_KEY}"])
    """The key. Secret; required."""
    session_token: VisibleSecret | None = Field(default=None, examples=["${file:/run/secrets/aws-session-token}"])
    """Token that goes with a temporary key. Secret. Default not set. It ends: replace the file and reload."""
    body: Body = "signed"
    """Whether bodies are signed: then each is read whole before it goes up. Default "signed". With "unsigned" they
    stream; only S3 and few others accept that, and only by https."""
    max_body: Size = MAX_BODY
    """Largest body that is signed; a larger one is refused with 413. Size. Default "1MiB".
    Each exchange with a body may take so much memory."""

    def rule(self) -> SigV4:
        """Return what these settings say, made for use."""
        return SigV4(
            region=self.region,
            service=self.service,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key.reveal(),
            session_token=self.session_token.reveal() if self.session_token is not None else None,
            max_body=self.max_body if self.body == "signed" else None,
        )


class HmacSettings(Model):
    """A signature with a key that the upstream shares."""

    key: Annotated[Secret, Kind("secret")] = Field(examples=["${file:/run/secrets/signing-key}"])
    """The key. Secret; required."""
    key_id: Token | None = Field(default=None, examples=["2026-11"])
    """Name of the key, told beside the signature, so that keys can be changed. Token. Default not set."""
    algorithm: Literal["sha256", "sha512"] = "sha256"
    """Hash function. Default "sha256"."""
    header: HeaderName = "X-Signature"
    """Field that carries the signature. Field name. Default "X-Signature"."""
    body: Body = "signed"
    """Whether bodies are signed: then each is read whole before it goes up. Default "signed". "unsigned" streams."""
    max_body: Size = MAX_BODY
    """Largest body that is signed; a larger one is refused with 413. Size. Default "1MiB".
    Each exchange with a body may take so much memory."""

    def rule(self) -> Hmac:
        """Return what these settings say, made for use."""
        return Hmac(
            key=self.key.reveal().encode(),
            key_id=self.key_id,
            algorithm=self.algorithm,
            header=self.header,
            max_body=self.max_body if self.body == "signed" else None,
        )


class CredentialSettings(Model):
    """What requests carry for one caller."""

    bearer: VisibleSecret | None = Field(default=None, examples=["${env:OPENAI_API_KEY}"])
    """Token sent as `Authorization: Bearer`. Secret. Default not set."""
    basic: BasicSettings | None = Field(
        default=None, examples=[{"user": "gateway", "password": "${env:UPSTREAM_PASSWORD}"}]
    )
    """User and password, sent as `Authorization: Basic`. Table. Default not set."""
    headers: dict[HeaderName, FieldSecret] = Field(
        default_factory=dict, examples=[{"X-Api-Key": "${env:UPSTREAM_KEY}"}]
    )
    """Fields and their values. Table. Default none."""
    query: dict[ParameterName, PrintableSecret] = Field(default_factory=dict, examples=[{"key": "${env:UPSTREAM_KEY}"}])
    """Query parameters and their values. Table. Default none. Services tend to log targets: prefer a field."""
    oauth2: OAuth2Settings | None = Field(
        default=None,
        examples=[
            {
                "token_url": "https://login.example.com/oauth2/token",
                "client_id": "gateway",
                "client_secret": "${env:CLIENT_SECRET}",
            }
        ],
    )
    """A token that is fetched by client credentials, sent as `Authorization: Bearer`. Table. Default not set."""
    sigv4: SigV4Settings | None = Field(
        default=None,
        examples=[
            {
                "region": "eu-central-1",
                "service": "bedrock",
                "access_key_id": "${env:AWS_ACCESS_KEY_ID}",
                "secret_access_key": "${env:AWS_SECRET_ACCESS_KEY}",
            }
        ],
    )
    """A signature for AWS, with a key that stands here. Table. Default not set."""
    hmac: HmacSettings | None = Field(default=None, examples=[{"key": "${file:/run/secrets/signing-key}"}])
    """A signature with a shared key. Table. Default not set."""

    def authorizing(self) -> list[str]:
        """Return the keys that make an Authorization field; with more than one they contradict each other."""
        found = [key for key in ("bearer", "basic", "oauth2", "sigv4") if getattr(self, key) is not None]
        found += ["headers"] if any(name.lower() == "authorization" for name in self.headers) else []
        return found + (["hmac"] if self.hmac is not None and self.hmac.header.lower() == "authorization" else [])

    def credential(self) -> Credential | None:
        """Return what these settings say, made for use; None where they say nothing."""
        fields = tuple(self._fields())
        names = {name.lower().replace("_", "-") for name, _ in fields}
        if self.oauth2 is not None:
            names.add("authorization")
        if self.sigv4 is not None:
            names |= sigv4.FIELDS
        if self.hmac is not None:
            names.add(self.hmac.header.lower().replace("_", "-"))
        if not names and not self.query:
            return None
        query = "&".join(f"{name}={quote(value.reveal(), safe='')}" for name, value in self.query.items())
        return Credential(
            injected=Injected(fields, query),
            replaces=frozenset(names),
            parameters=frozenset(name.casefold() for name in self.query),
            token=self.oauth2.source() if self.oauth2 is not None else None,
            sigv4=self.sigv4.rule() if self.sigv4 is not None else None,
            hmac=self.hmac.rule() if self.hmac is not None else None,
        )

    def _fields(self) -> Iterator[tuple[str, str]]:
        if self.bearer is not None:
            yield "Authorization", f"Bearer {self.bearer.reveal()}"
        if self.basic is not None:
            pair = f"{self.basic.user}:{self.basic.password.reveal()}"
            yield "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"
        for name, value in self.headers.items():
            yield name, value.reveal()


class CredentialsSettings(CredentialSettings):
    """What requests to an upstream carry to prove who asks, in the place of what the client sent under such a name."""

    by_principal: dict[str, CredentialSettings] = Field(
        default_factory=dict, examples=[{"tenant-a": {"bearer": "${env:TENANT_A_KEY}"}}]
    )
    """Credentials for single callers, by the names that authentication gives them. Table of tables. Default none."""
    otherwise: Literal["refuse", "default"] = "refuse"
    """What becomes of callers that are not in `by_principal`, where it has any: 403, or the credentials beside it.
    Default "refuse"."""

    def compiled(self) -> Credentials | None:
        """Return what these settings say, made for use; None where they say nothing."""
        by_principal = {name: each.credential() or Credential() for name, each in self.by_principal.items()}
        default = self.credential()
        if default is None and not by_principal:
            return None
        return Credentials(default, by_principal, refuses=self.otherwise == "refuse")


def split_token_url(url: str) -> tuple[Endpoint, str]:
    """Return the endpoint of a URL that was accepted, and the target to ask there."""
    match = _URL.fullmatch(url)
    assert match is not None
    rest = match[2]
    return parse_endpoint(match[1]), rest if rest.startswith("/") else f"/{rest}"


def as_written(credentials: CredentialsSettings) -> dict[str, Any]:
    """Return the settings that were given, for people: secrets as masks."""
    return credentials.model_dump(exclude_unset=True)
