"""The guard of the admin listener: tables in, verdict out."""

import base64
import hashlib
import logging
from dataclasses import replace

import flask
import pytest

from gateway.admin import guard
from gateway.admin.guard import Question, Refusal, Refused, ruling
from gateway.exchange.access import RIGHTS, Access, AdminToken, Caller

TOKEN = "Bearer abcdefghij123456"
DIGEST = hashlib.sha256(b"abcdefghij123456").digest()
OPEN = Access(hosts=frozenset({"gateway.internal"}))
READER = Access(tokens=(AdminToken("r", DIGEST, frozenset({"read"})),))
CONTROLLER = Access(tokens=(AdminToken("c", DIGEST, frozenset({"control"})),))
GET = Question("GET", "/-/version", host="127.0.0.1:8081")
POST = Question("POST", "/-/reload", host="127.0.0.1:8081", content_type="application/json")
FORM: dict[str, str | None] = {"content_type": "application/x-www-form-urlencoded"}
READY = Question("GET", "/-/ready", host="127.0.0.1:8081")


def status(access: Access, question: Question) -> int:
    """Return the status of the refusal; 200 where there is none."""
    found = ruling(access, question)
    return found.status if isinstance(found, Refusal) else 200


@pytest.mark.parametrize(
    ("access", "question", "expected"),
    [
        (OPEN, GET, 200),
        (OPEN, POST, 200),
        (READER, GET, 401),
        (READER, replace(GET, authorization=TOKEN), 200),
        (READER, replace(GET, method="HEAD", authorization=TOKEN), 200),
        (READER, replace(GET, authorization=TOKEN + "x"), 401),
        (READER, replace(GET, path="/-/no-such-page"), 401),
        (READER, replace(POST, authorization=TOKEN), 403),
        (READER, POST, 401),
        (CONTROLLER, replace(GET, authorization=TOKEN), 403),
        (CONTROLLER, replace(POST, authorization=TOKEN), 200),
        (CONTROLLER, replace(POST, authorization=TOKEN, method="DELETE"), 200),
        (CONTROLLER, replace(POST, authorization=TOKEN, method="BREW"), 200),
        (READER, READY, 200),
        (READER, replace(READY, method="POST", content_type="application/json"), 401),
    ],
)
def test_reading_and_control_are_separate_rights(access: Access, question: Question, expected: int) -> None:
    """401 for who shows nothing that is known, 403 for a right that is missing; what is not reading is control."""
    assert status(access, question) == expected


@pytest.mark.parametrize("authorization", [None, "Bearer wrong"])
def test_health_is_answered_to_everybody_but_with_no_right_to_more(authorization: str | None) -> None:
    """Orchestrators have no token, and ask by names nobody configured."""
    question = replace(READY, host="pod.example.com", authorization=authorization)

    assert ruling(READER, question) == Caller("", frozenset())
    assert ruling(OPEN, question) == Caller("", frozenset())
    assert ruling(OPEN, READY) == Caller("anyone", RIGHTS)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8081", True),
        ("127.0.0.1", True),
        ("10.1.2.3:8081", True),
        ("[::1]:8081", True),
        ("[::1]", True),
        ("localhost:8081", True),
        ("LOCALHOST", True),
        ("localhost.:8081", True),
        ("gateway.internal:1", True),
        ("Gateway.Internal", True),
        ("evil.example.com:8081", False),
        ("127.0.0.1.evil.example.com", False),
        ("localhost.evil.example.com", False),
        ("gateway.internal.evil.example.com", False),
        ("[::1]evil", False),
        ("[::1", False),
        ("a:b:127.0.0.1", False),
        ("127.0.0.1@evil.example.com", False),
        ("2130706433", False),
        ("", False),
        (None, False),
    ],
)
def test_a_name_that_is_not_ours_gets_nothing(host: str | None, own: bool) -> None:
    """A web page can turn its own name to this machine (DNS rebinding), but no address and no name of ours."""
    assert status(OPEN, replace(GET, host=host)) == (200 if own else 421)
    assert status(replace(OPEN, hosts=None), replace(GET, host=host)) == 200  # a unix socket


@pytest.mark.parametrize(
    ("changes", "reading", "control"),
    [
        ({}, 200, 200),
        ({"fetch_site": "none"}, 200, 200),
        ({"fetch_site": "same-origin", "origin": "http://127.0.0.1:8081"}, 200, 200),
        ({"origin": "https://127.0.0.1:8081"}, 200, 200),  # behind something that speaks TLS
        ({"fetch_site": "cross-site"}, 403, 403),
        ({"fetch_site": "same-site"}, 403, 403),
        ({"fetch_site": "cross-site", "fetch_mode": "navigate"}, 200, 403),
        ({"origin": "http://evil.example.com"}, 403, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403, 403),
        ({"origin": "null"}, 403, 403),
        ({"origin": "file://127.0.0.1:8081"}, 403, 403),
        ({"content_type": None}, 200, 403),
        ({"content_type": "text/plain"}, 200, 403),
        ({"content_type": "text/plain; application/json"}, 200, 403),
        ({"content_type": "application/x-www-form-urlencoded"}, 200, 403),
        ({"content_type": "Application/JSON; charset=utf-8"}, 200, 200),
        ({"content_type": None, "requested_with": "curl"}, 200, 200),
        # A form of our own page, in browsers that tell where a request comes from and in those that tell only whose.
        ({**FORM, "fetch_site": "same-origin", "origin": "http://127.0.0.1:8081"}, 200, 200),
        ({**FORM, "origin": "http://127.0.0.1:8081"}, 200, 200),
        ({**FORM, "fetch_site": "same-origin"}, 200, 200),
        ({**FORM, "fetch_site": "none"}, 200, 403),
        ({**FORM, "fetch_site": "none", "origin": "http://127.0.0.1:8081"}, 200, 403),
        ({**FORM, "fetch_site": "same-site", "origin": "http://127.0.0.1:8081"}, 403, 403),
        ({**FORM, "fetch_site": "same-origin", "origin": "null"}, 403, 403),
        ({**FORM, "origin": "http://127.0.0.1:3000"}, 403, 403),
    ],
)
def test_pages_of_other_origins_cannot_use_the_browser_of_an_operator(
    changes: dict[str, str | None], reading: int, control: int
) -> None:
    """They can neither read nor send what controls; a link to a page of ours works."""
    assert status(OPEN, replace(GET, **changes)) == reading  # type: ignore[arg-type]
    assert status(OPEN, replace(POST, **changes)) == control  # type: ignore[arg-type]
    assert status(OPEN, replace(POST, method="DELETE", **changes)) == control  # type: ignore[arg-type]


def password(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (password("anyone:abcdefghij123456"), 200),
        (password(":abcdefghij123456"), 200),
        (password("abcdefghij123456:"), 401),
        (password("abcdefghij123456"), 401),
        (password("anyone:abcdefghij123456 "), 401),
        (password("anyone:" + "x" * 5000), 401),
        ("Basic !!!", 401),
        ("Basic", 401),
        ("Digest abcdefghij123456", 401),
    ],
)
def test_a_browser_shows_the_token_as_the_password_of_anybody(authorization: str, expected: int) -> None:
    """Browsers ask people for a password and for nothing else."""
    assert status(READER, replace(GET, authorization=authorization)) == expected


def test_a_password_that_browsers_add_by_themselves_is_no_proof_of_will() -> None:
    """A bearer token is sent by who has it; a password by the browser, whoever made it send the request."""
    by_form = replace(POST, **FORM)  # type: ignore[arg-type]
    assert status(CONTROLLER, replace(by_form, authorization=TOKEN)) == 200
    shown = replace(by_form, authorization=password("x:abcdefghij123456"))
    assert status(CONTROLLER, shown) == 403
    assert status(CONTROLLER, replace(shown, origin="http://evil.example.com")) == 403
    assert status(CONTROLLER, replace(shown, origin="http://127.0.0.1:8081")) == 200


def test_only_browsers_are_offered_to_show_a_password(app: flask.Flask) -> None:
    """Who asks for a page is asked back by the browser; programs see what they always saw."""
    client = app.test_client()
    challenges = [
        client.get("/-/page", headers={"Host": "localhost", "Accept": accept}).headers.getlist("WWW-Authenticate")
        for accept in ("text/html,*/*", "*/*")
    ]
    bearer = 'Bearer realm="slowgate admin"'
    assert challenges == [[bearer, 'Basic realm="slowgate admin", charset="UTF-8"'], [bearer]]


def test_refusals_are_logged_at_a_bounded_rate() -> None:
    """The first at once, the others as a number in the next line."""
    now, lines = [100.0], list[str]()
    refused = Refused(lambda: now[0], lambda text, *values: lines.append(text % values))
    refusal = Refusal(401, "Who asks?", "the token is not known")
    for second in (100.0, 100.1, 109.9, 110.0, 130.0):
        now[0] = second
        refused.note("10.0.0.9", refusal)

    told = "the admin listener refused 10.0.0.9 (401): the token is not known"
    assert lines == [told, f"{told}; 2 more were refused since the last such line", told]


@pytest.fixture
def app() -> flask.Flask:
    """An application with one page, behind the guard."""
    app = flask.Flask("guarded", static_folder=None)
    app.add_url_rule("/-/page", "page", view_func=lambda: flask.g.caller.name)
    app.add_url_rule("/-/defect", "defect", view_func=lambda: 1 // 0)
    guard.install(app, lambda: READER)
    return app


@pytest.mark.parametrize(
    ("path", "authorization", "expected"),
    [("/-/page", TOKEN, 200), ("/-/none", TOKEN, 404), ("/-/page", "", 401), ("/-/defect", TOKEN, 500)],
)
def test_every_reply_tells_browsers_to_load_and_frame_nothing(
    app: flask.Flask, path: str, authorization: str, expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages, refusals, defects: all have the same strict fields, and no inline code is ever allowed."""
    with caplog.at_level(logging.CRITICAL + 1):
        reply = app.test_client().get(path, headers={"Authorization": authorization, "Host": "localhost"})

    assert reply.status_code == expected
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert {name: reply.headers[name] for name in guard.REPLY_FIELDS} == guard.REPLY_FIELDS
    assert ("WWW-Authenticate" in reply.headers) is (expected == 401)
