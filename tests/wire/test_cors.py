"""CORS on the wire: preflights never go up, and every answer, our own errors too, can be read by who may."""

from collections.abc import Iterator

import pytest
from support.gateway_process import toml_table
from support.rig import Rig, problem_code, request
from support.scripted_upstream import response

APP = "https://app.example.com"
ORIGIN = f"Origin: {APP}"
PREFLIGHT = (ORIGIN, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
CORS = {"origins": [APP, "https://*.example.org"], "credentials": True, "expose_headers": ["X-Request-Id"]}
ROUTES = [
    {"name": "api", "path": "/api", "methods": ["GET", "POST"], "cors": CORS},
    {"name": "small", "path": "/small", "cors": CORS, "limits": {"max_request_body": "1B"}},
    {"name": "json", "path": "/json", "limits": {"content_types": ["application/json"]}},
    {"name": "dead", "path": "/dead", "upstream": "dead", "cors": CORS},
    {"name": "plain", "path": "/"},
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    dead = toml_table("upstreams.dead", {"endpoints": ["http://127.0.0.1:1"]})
    with Rig(tmp_path_factory.mktemp("rig"), routes=ROUTES, also=dead) as rig:
        yield rig


def test_preflight_is_answered_here(rig: Rig) -> None:
    """For a route that does not serve OPTIONS at all; the connection stays, and its log line says so."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(request("OPTIONS /api/x HTTP/1.1", *PREFLIGHT)).read_response()
        assert (answer.status, answer.body) == (204, b"")
        assert answer.first("access-control-allow-origin") == APP
        assert answer.first("access-control-allow-methods") == "GET, POST"
        assert answer.first("access-control-allow-credentials") == "true"
        assert "content-length" not in {name.lower() for name, _ in answer.fields}
        rig.assert_untouched()
        assert client.get("/api/x", ORIGIN).read_response().status == 200
    line = rig.gateway.wait_for_line(lambda line: line["id"] == answer.first("x-request-id"))
    assert (line["method"], line["status"], line["attempts"]) == ("OPTIONS", 204, 0)


def test_preflight_of_another_origin_gets_no_permission(rig: Rig) -> None:
    """And nothing goes up for it."""
    rig.answers()
    lines = ("Origin: https://evil.example", *PREFLIGHT[1:])
    answer = rig.ask(request("OPTIONS /api/x HTTP/1.1", *lines))
    assert answer.status == 204
    assert not [name for name, _ in answer.fields if name.lower().startswith("access-control")]
    rig.assert_untouched()


def test_answer_has_one_word_about_its_origin(rig: Rig) -> None:
    """The upstream's is replaced."""
    rig.answers(response(b"ok", "Access-Control-Allow-Origin: *", "Vary: Accept"))
    answer = rig.ask(request("GET /api HTTP/1.1", ORIGIN))
    assert answer.all("access-control-allow-origin") == [APP]
    assert answer.all("vary") == ["Accept", "Origin"]
    assert answer.all("access-control-expose-headers") == ["X-Request-Id"]
    other = rig.ask(request("GET /api HTTP/1.1", "Origin: https://evil.example"))
    assert (other.status, other.all("access-control-allow-origin")) == (200, [])


def test_errors_of_our_own_can_be_read_by_pages(rig: Rig) -> None:
    """Refusals before the upstream, and failures of it."""
    large = rig.ask(request("POST /small HTTP/1.1", ORIGIN, "Content-Length: 5", body=b"hello"))
    dead = rig.ask(request("GET /dead HTTP/1.1", "Origin: https://a.example.org"))
    assert (large.status, large.first("access-control-allow-origin")) == (413, APP)
    assert (dead.status, dead.first("access-control-allow-origin")) == (502, "https://a.example.org")


def test_route_without_cors_leaves_it_to_the_upstream(rig: Rig) -> None:
    """Preflights go up, and what comes back stays."""
    rig.answers(response(b"", "Access-Control-Allow-Origin: *"))
    answer = rig.ask(request("OPTIONS /other HTTP/1.1", *PREFLIGHT))
    assert (answer.status, answer.all("access-control-allow-origin")) == (200, ["*"])
    assert [seen.method for seen in rig.seen] == ["OPTIONS"]


def test_body_of_another_media_type_is_415(rig: Rig) -> None:
    """Before anything goes up, and with what is taken."""
    rig.answers()
    answer = rig.ask(request("POST /json HTTP/1.1", "Content-Type: text/xml", "Content-Length: 1", body=b"x"))
    assert (answer.status, problem_code(answer)) == (415, "media_type_refused")
    assert answer.all("accept-post") == ["application/json"]
    rig.assert_untouched()
    typed = request("POST /json HTTP/1.1", "Content-Type: application/json", "Content-Length: 2", body=b"{}")
    assert rig.ask(typed).status == 200
