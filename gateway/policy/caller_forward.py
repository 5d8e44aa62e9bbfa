"""An external check: a request of our own, with what the caller showed, asks somebody else whether it may pass."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.config.files import ReadableFile
from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import PositiveDuration
from gateway.exchange.callers import ForwardRule
from gateway.exchange.failure import AUTH_UNAVAILABLE, FORBIDDEN, UNAUTHENTICATED, Failure, FailureError
from gateway.exchange.identity import Identity
from gateway.exchange.message import Fields, ReplyHead, RequestHead
from gateway.grammar.tokens import FieldName
from gateway.policy.caller_place import UrlText, place

_VISIBLE = re.compile("[!-~]{1,128}")
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"})


def _field(name: str) -> str:
    if name.lower() in _OURS:
        raise Unacceptable(message="this field is about one connection or message, and cannot be passed on")
    return name


def _prefix(text: str) -> str:
    if not re.fullmatch("[!-~]{0,64}", text):
        raise Unacceptable("at most 64 visible characters")
    return text


PassedField = Annotated[FieldName, AfterValidator(_field), Kind("field name")]


class ForwardSettings(Model):
    """Somebody who is asked about each request: 2xx lets it pass, 401 and 403 refuse it, all else is an outage."""

    url: UrlText = Field(examples=["http://127.0.0.1:9100/check"])
    """What is asked, with GET and without the body. URL; required. It also gets X-Forwarded-Method, -Proto, -Host, -Uri
    and -For, which tell of the request."""
    fields: tuple[PassedField, ...] = Field(default=("Authorization", "Cookie"), min_length=1)
    """Fields of the request that it gets as they came: what callers show. Array. Default Authorization and Cookie.
    They are not passed on to the upstream, but for `auth.pass_credential`."""
    principal: FieldName | None = Field(default=None, examples=["X-User"])
    """Field of its answer that names the caller: at most 128 visible characters. Default: all are called by the name of
    this table."""
    prefix: Annotated[str, AfterValidator(_prefix), Kind("string")] | None = Field(default=None, examples=["sso:"])
    """What is put before it, so that nobody whom the check names is taken for another caller. Default: the name of this
    table and ":"; "" for nothing."""
    scopes: FieldName | None = Field(default=None, examples=["X-Scopes"])
    """Field of its answer with the scopes, blanks or commas between. Default none."""
    copy_to_upstream: tuple[PassedField, ...] = Field(default=(), examples=[["X-User"]])
    """Fields of its answer that the upstream gets. Array. Default none. What clients send under these names is taken
    off."""
    timeout: PositiveDuration = 5.0
    """Time for its answer; after it the request gets 503. Duration. Default "5s"."""
    ca: ReadableFile | None = Field(default=None, examples=["tls/private-ca.pem"])
    """PEM file with the only authorities to trust for it. Path, relative to this file. Default: the system's."""

    def rule(self, name: str) -> ForwardRule:
        """Return what the settings mean."""
        return ForwardRule(
            name,
            place(self.url, self.ca, self.timeout),
            f"{name}:" if self.prefix is None else self.prefix,
            self.fields,
            self.principal,
            self.scopes,
            self.copy_to_upstream,
        )


def shown(rule: ForwardRule, request: RequestHead) -> bool:
    """Say whether a request has any of the fields that the check would get."""
    wanted = {name.lower() for name in rule.fields}
    return any(name.lower() in wanted for name, _ in request.fields)


def question_fields(rule: ForwardRule, request: RequestHead) -> Fields:
    """Return the field lines of the check: what callers show as it came, and what is asked for."""
    wanted = {name.lower() for name in rule.fields}
    told = (
        ("X-Forwarded-Method", request.method),
        ("X-Forwarded-Proto", request.scheme),
        ("X-Forwarded-Host", request.authority),
        ("X-Forwarded-Uri", request.target),
        ("X-Forwarded-For", request.peer or "unknown"),
    )
    names = {name.lower() for name, _ in told}
    return [line for line in request.fields if line[0].lower() in wanted - names] + list(told)


def answered(rule: ForwardRule, head: ReplyHead) -> Identity:
    """Return whom the check let in; raise ``FailureError`` where it did not."""
    if head.status == 401:
        challenges = tuple(line for line in head.fields if line[0].lower() == "www-authenticate")
        raise FailureError(Failure(UNAUTHENTICATED, f"{rule.name} does not know the caller", challenges))
    if head.status == 403:
        raise FailureError(Failure(FORBIDDEN, f"{rule.name} does not let the caller pass"))
    if not 200 <= head.status <= 299:
        raise FailureError(Failure(AUTH_UNAVAILABLE, f"{rule.name} answered with status {head.status}"))
    principal = rule.name
    if rule.principal is not None:
        principal = rule.prefix + (_only(head, rule.principal) or "")
        if principal == rule.prefix or not _VISIBLE.fullmatch(principal):
            raise FailureError(Failure(AUTH_UNAVAILABLE, f"{rule.name} names no caller in {rule.principal}"))
    said = "" if rule.scopes is None else _only(head, rule.scopes) or ""
    scopes = frozenset(re.split("[ ,\t]+", said)) - {""}
    copied = {name: value for name in rule.copy if (value := _only(head, name)) is not None}
    return Identity(principal, "forward_auth", scopes, copied)


def _only(head: ReplyHead, name: str) -> str | None:
    """Return the value of a field that is there once; None for one that is missing or there twice."""
    found = [value for field, value in head.fields if field.lower() == name.lower()]
    return found[0] if len(found) == 1 else None
