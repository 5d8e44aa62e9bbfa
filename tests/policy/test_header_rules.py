"""Header rules: what goes up and down, and that nobody smuggles anything through a value."""

from dataclasses import replace
from ipaddress import ip_network
from types import MappingProxyType

import pytest
from support.callers import a_guarded_route, a_known, callers_with
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.callers import ForwardRule, Place
from gateway.exchange.exchange import Exchange
from gateway.exchange.identity import Identity
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.route import Forwarding, HeaderRules
from gateway.exchange.target import parse_endpoint
from gateway.grammar.templates import parse_template
from gateway.policy.header_rules import RequestHeadersSettings, ResponseHeadersSettings, hooks, ruling, value_of

CLAIMS = {
    "email": "ada@example.com",
    "admin": True,
    "level": 7,
    "groups": ["a", "b"],
    "pairs": ["a,b", "c"],
    "deep": {"a": 1},
    "none": None,
    "evil": "x\r\nX-Admin: 1",
    "nul": "x\0y",
    "name": "Žofie",
    "blank": "  padded  ",
    "long": "x" * 9000,
}
IDENTITY = Identity("ada", "jwt", frozenset({"write", "read"}), MappingProxyType(CLAIMS))
FORWARDING = Forwarding(trusted_peers=(ip_network("10.0.0.0/8"),))


def asked(identity: Identity | None = IDENTITY, fields: Fields | None = None, peer: str = "192.0.2.7") -> Exchange:
    request = a_request("POST", "/demo/a%20b?key=secret", fields or [], peer=peer)
    exchange = an_exchange(request, a_route(forwarding=FORWARDING), trusted_peer=peer in FORWARDING.trusted)
    exchange.identity = identity
    return exchange


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{principal}", "ada"),
        ("user={principal};via={route}", "user=ada;via=demo"),
        ('{{"user":"{principal}"}}', '{"user":"ada"}'),
        ("{scope}", "read write"),
        ("{claim:email}", "ada@example.com"),
        ("{claim:admin}", "true"),
        ("{claim:level}", "7"),
        ("{claim:groups}", "a,b"),
        ("{claim:pairs}", None),
        ("{claim:deep}", None),
        ("{claim:none}", None),
        ("{claim:missing}", None),
        ("before {claim:missing}", None),
        ("{claim:evil}", None),
        ("{claim:nul}", None),
        ("{claim:long}", None),
        ("{claim:name}", "\xc5\xbdofie"),
        ("{claim:blank}", "padded"),
        ("{request_id}", "0f1e"),
        ("{client_ip}", "192.0.2.7"),
        ("{host}", "api.example.com"),
        ("{method}", "POST"),
        ("{path}", "/demo/a%20b"),
        ("{header:X-Team}", "one, two"),
        ("{header:x-missing}", None),
    ],
)
def test_placeholder_says_what_the_exchange_knows(template: str, value: str | None) -> None:
    """One that knows nothing, or something that cannot stand in a field, makes the whole value unsaid."""
    exchange = asked(fields=[("x-team", "one"), ("X-Other", "x"), ("X-Team", "two")])
    assert value_of(parse_template(template), exchange) == value


@pytest.mark.parametrize(
    ("name", "ways", "passes", "value"),
    [
        ("x-api-key", ("keys",), False, None),
        ("x_api_key", ("keys",), False, None),
        ("authorization", ("keys",), False, None),
        ("authorization", ("basic",), False, "Bearer the-key"),
        ("cookie", ("forward_auth:sso",), False, None),
        ("cookie", ("keys",), False, "session=1"),
        ("x-api-key", ("keys",), True, "the-key"),
        ("x-api-key", (), False, "the-key"),
    ],
)
def test_no_rule_copies_what_ends_at_the_gateway(name: str, ways: tuple[str, ...], passes: bool, value: object) -> None:
    """What callers show would reach the upstream, or come back, under another name."""
    fields = [("X-API-Key", "the-key"), ("X_API_Key", "the-key"), ("Authorization", "Bearer the-key")]
    exchange = asked(fields=[*fields, ("Cookie", "session=1")])
    rule = ForwardRule("sso", Place(parse_endpoint("http://127.0.0.1:9"), "/"), "sso:", ("Authorization", "Cookie"))
    callers = callers_with(a_known(), forwards={"sso": rule})
    if ways:
        exchange.route = a_guarded_route(callers, *ways, pass_credential=passes)

    assert value_of(parse_template(f"{{header:{name}}}"), exchange) == value


@pytest.mark.parametrize("template", ["{principal}", "{scope}", "{claim:email}"])
def test_nobody_has_no_name(template: str) -> None:
    """Where the route does not ask who it is."""
    assert value_of(parse_template(template), asked(identity=None)) is None


def test_address_is_the_believed_one() -> None:
    """What an untrusted peer says of itself is not."""
    template = parse_template("{client_ip}")
    fields = [("X-Forwarded-For", "203.0.113.9")]
    assert value_of(template, asked(fields=fields, peer="10.0.0.1")) == "203.0.113.9"
    assert value_of(template, asked(fields=fields)) == "192.0.2.7"
    assert value_of(template, asked(peer="")) is None


@pytest.mark.parametrize("octet", [*map(chr, range(0x20)), "\x7f"])
def test_no_control_octet_of_a_field_gets_into_another(octet: str) -> None:
    """But for the tab, which a value may hold."""
    found = value_of(parse_template("{header:x-a}"), asked(fields=[("X-A", f"a{octet}b")]))
    assert found == ("a\tb" if octet == "\t" else None)


def rules(**tables: object) -> HeaderRules:
    compiled = RequestHeadersSettings(**tables).compiled()["request_headers"]  # type: ignore[arg-type]
    assert isinstance(compiled, HeaderRules)
    return compiled


CAME: Fields = [("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("X_A", "3"), ("X-B", "4"), ("Cookie", "c")]


@pytest.mark.parametrize(
    ("tables", "fields"),
    [
        ({"remove": ("x-A",)}, [("Host", "h"), ("X-B", "4"), ("Cookie", "c")]),
        ({"set": {"X-A": "9"}}, [("Host", "h"), ("X-B", "4"), ("Cookie", "c"), ("X-A", "9")]),
        ({"set": {"X-A": "{claim:missing}"}}, [("Host", "h"), ("X-B", "4"), ("Cookie", "c")]),
        ({"add": {"X-A": "9"}}, [*CAME, ("X-A", "9")]),
        ({"add": {"X-C": "{claim:evil}"}}, CAME),
        ({"rename": {"x-b": "X-C"}}, [*CAME[:4], ("X-C", "4"), CAME[5]]),
        ({"rename": {"X-B": "X-A"}, "remove": ("X-A",)}, [("Host", "h"), ("X-A", "4"), ("Cookie", "c")]),
        (
            {"rename": {"X-A": "X-B", "X-B": "X-A"}},
            [("Host", "h"), ("X-B", "1"), ("X-B", "2"), ("X-B", "3"), ("X-A", "4"), ("Cookie", "c")],
        ),
        ({"rename": {"X-B": "X-C"}, "set": {"X-C": "9"}}, [*CAME[:4], CAME[5], ("X-C", "9")]),
        ({"set": {"X-B": "5"}, "add": {"X-B": "6"}}, [*CAME[:4], CAME[5], ("X-B", "5"), ("X-B", "6")]),
    ],
)
def test_rules_are_followed_in_their_order(tables: dict[str, object], fields: Fields) -> None:
    """Rename and remove look at names as they came, then set, then add; a dash and an underscore are one."""
    assert ruling(rules(**tables))(list(CAME), asked()) == fields


def test_route_without_rules_has_no_hooks() -> None:
    """It costs nothing."""
    assert hooks(a_route()).prepare is None
    assert hooks(a_route()).commit is None


def test_requests_and_answers_have_rules_of_their_own() -> None:
    """Those for answers hold for the gateway's own, too; what an upstream's Connection names cannot undo them."""
    up = RequestHeadersSettings(set={"X-User": "{principal}"}).compiled()
    down = ResponseHeadersSettings(set={"X-Frame-Options": "DENY"}, remove=("Server",)).compiled()
    route = replace(a_route(), **up, **down)  # type: ignore[arg-type]
    found, attempt = hooks(route), an_attempt([("X_User", "root"), ("X-User", "root")])
    head = ReplyHead(200, "OK", [("Server", "s"), ("Connection", "x-frame-options"), ("A", "b")])
    assert found.prepare is not None and found.commit is not None

    found.prepare(asked(), attempt)
    found.commit(asked(), head)

    assert attempt.fields == [("X-User", "ada")]
    assert head.fields == [("A", "b"), ("X-Frame-Options", "DENY")]


def test_values_of_rules_are_not_shown() -> None:
    """They may hold what a reference brought."""
    assert "hunter2" not in repr(replace(a_route(), request_headers=rules(set={"X-Key": "hunter2"})))
