"""The dashboard as HTML, without a server and without a browser."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, NamedTuple

import flask
import pytest
from flask.testing import FlaskClient
from support.exchanges import a_route
from support.live_streams import Few, a_relay

from gateway.admin import guard, panels
from gateway.admin.all_streams import AllStreams, Alone, Colleagues
from gateway.admin.dashboard import add_dashboard
from gateway.admin.overview import Overview
from gateway.admin.overview_pages import add_overview
from gateway.admin.sight import Worker
from gateway.admin.status import Status
from gateway.exchange.access import READ, Access, AdminToken
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CONNECT_REFUSED, Failure
from gateway.exchange.identity import Identity
from gateway.exchange.outcome import Outcome
from gateway.observe.record import record_of

HOSTILE = "</td><script>alert(1)</script>\"' onload=x {{ 7*7 }}"
OWN = {"Origin": "http://localhost"}


class Setting(NamedTuple):
    name: str
    value: str | None
    origin: str


def a_dashboard(
    *running: Exchange,
    access: Access = Access(),  # noqa: B008 - never changed
    colleagues: Colleagues = Alone(),  # noqa: B008
    tables: Iterable[tuple[str, list[Setting]]] | None = None,
    upstreams: Iterable[dict[str, Any]] = (),
    failed: Iterable[Exchange] = (),
    name: str = "demo",
    breathe: Callable[[], object] = lambda: None,
) -> FlaskClient:
    few = Few(*running)
    streams = AllStreams(few, lambda: 100.0, colleagues)
    worker = Worker(
        Status(lambda: False, lambda: 0), lambda: list(running), lambda: iter(upstreams), lambda: 100.0, lambda: 5e9
    )
    for each in failed:
        worker.finish(each)
        worker.failures.put(record_of(each, 5e9))
    overview = Overview(worker, streams, colleagues, breathe)
    app = flask.Flask("gateway.admin", static_folder=None, template_folder=None)

    def configured() -> Iterator[tuple[str, Iterator[Setting]]] | None:
        return None if tables is None else ((header, iter(settings)) for header, settings in tables)

    add_overview(app, overview, lambda: [a_route(name=name)], configured, lambda: None)
    add_dashboard(app, overview, streams, lambda: [a_route(name=name)], configured)
    guard.install(app, lambda: access)
    return app.test_client()


class Page(HTMLParser):
    """Collects what would run, and whether all that is opened is closed."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]
        self.wrong += [f"{each} is there twice" for each in set(self.ids) if self.ids.count(each) > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.wrong.append(f"inline <{tag}>")
        self.wrong += [f"inline {name}" for name in given if name == "style" or name.startswith(("on", "hx-on"))]
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "th" and "scope" not in given:
            self.wrong.append("a th without scope")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")


def a_hostile_one() -> Exchange:
    exchange = a_relay()
    exchange.id = HOSTILE
    exchange.identity = Identity(HOSTILE, "key")
    exchange.request = replace(exchange.request, peer=HOSTILE)
    return exchange


def a_failed_one(detail: str = "why") -> Exchange:
    exchange = a_relay()
    exchange.failure, exchange.outcome, exchange.finished_at = Failure(CONNECT_REFUSED, detail), Outcome.FAILED, 99.0
    return exchange


def test_the_page_is_whole_and_nothing_in_it_runs_but_our_files() -> None:
    """No inline script, style or handler; landmarks, one first heading, a caption for each table."""
    text = (
        a_dashboard(a_relay(), failed=[a_failed_one()], tables=[("[server]", [Setting("a", "1", "f:1")])])
        .get("/-/")
        .text
    )

    assert Page(text).wrong == []
    assert text.count("<h1>") == text.count("<main>") == text.count('role="status"') == 1
    assert text.count("<table") == text.count("<caption")
    assert re.findall(r'(?:src|href)="(?!/-/|#)', text) == []


def test_names_from_anywhere_stay_names() -> None:
    """Ids of exchanges, principals, routes, details, settings: all are text on the page."""
    settings = [(HOSTILE, [Setting(HOSTILE, HOSTILE, HOSTILE)])]
    client = a_dashboard(a_hostile_one(), failed=[a_failed_one(HOSTILE)], tables=settings, name=HOSTILE)
    text = client.get("/-/").text

    assert Page(text).wrong == []
    assert "<script>" not in text and "{{ 7*7 }}" in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


def test_the_head_of_the_page_goes_out_before_anything_is_asked() -> None:
    """Whoever waits for a slow worker sees the page begin at once."""
    asked: list[bytes] = []

    class Slow:
        def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
            asked.append(question)
            return []

    pieces = a_dashboard(colleagues=Slow()).get("/-/", buffered=False).iter_encoded()
    assert b"<main>" in next(iter(pieces))
    assert asked == []
    assert b"Nothing needs attention" in next(iter(pieces))
    assert len(asked) == 1


def test_streams_go_on_between_the_parts_of_the_page() -> None:
    """Whoever looks holds up nobody for long."""
    breaths: list[int] = []
    a_dashboard(breathe=lambda: breaths.append(1)).get("/-/").get_data()
    assert len(breaths) >= 6


def test_a_part_that_meets_a_defect_costs_no_other_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so in its place."""
    monkeypatch.setattr(panels.figures, "grouped", lambda failures: 1 // 0)
    text = a_dashboard(a_relay()).get("/-/").text
    assert "This part could not be made" in text
    assert 'id="streams-heading"' in text and 'id="configuration-heading"' in text and "</html>" in text


def test_so_many_streams_are_shown_and_how_many_more_there_are_is_said() -> None:
    """The page stays a page with thousands."""
    many = [a_relay(float(number) / 100) for number in range(1234)]
    for number, each in enumerate(many):
        each.id = f"id-{number}"
    text = a_dashboard(*many).get("/-/?sort=age").text
    assert text.count('<tr id="s-') == panels.MOST_STREAMS
    assert "1,184 more are not shown" in text and 'id="s-id-0"' in text


@pytest.mark.parametrize(
    ("query", "on_top"), [("", "sort-age"), ("?sort=silence", "sort-silence"), ("?sort=%22x", "sort-age")]
)
def test_the_order_is_chosen_by_a_link_and_told_to_screen_readers(query: str, on_top: str) -> None:
    """An order that does not exist is the usual one."""
    text = a_dashboard(a_relay()).get(f"/-/{query}").text
    assert re.findall(r'aria-sort="descending"><a id="([^"]+)"', text) == [on_top]


def test_without_a_script_the_page_can_load_itself_again() -> None:
    """By times of ours, and only where it was asked for."""
    client = a_dashboard()
    found = [
        re.findall(r'http-equiv="refresh" content="(\d+)"', client.get(f"/-/{query}").text)
        for query in ("", "?refresh=10", "?refresh=0")
    ]
    assert found == [[], ["10"], []]


def test_a_button_ends_its_stream_and_leads_back() -> None:
    """The browser's form comes back to the page, the script's to the fragment; each says what came of it."""
    client = a_dashboard(a_relay())
    by_form = client.post("/-/end", query_string={"id": "0f1e", "sort": "silence"}, headers=OWN)
    by_script = client.post("/-/end", query_string={"id": "0f1e"}, headers={**OWN, "HX-Request": "true"})

    assert (by_form.status_code, by_form.location) == (303, "/-/?sort=silence&ended=ended")
    assert (by_script.status_code, by_script.location) == (303, "/-/live?sort=age&ended=ended")
    assert 'role="status">The stream was ended.' in client.get(by_form.location).text
    assert 'hx-swap-oob="innerHTML">The stream was ended.' in client.get(by_script.location).text


@pytest.mark.parametrize(
    "query", [{}, {"id": ""}, {"id": "other"}, {"id": "x" * 999}, {"id": "0f1e", "sort": "\r\nX: y"}]
)
def test_a_button_ends_nothing_else(query: dict[str, str]) -> None:
    """Without an id, or with one that is not known, nothing ends; nothing that was sent is sent back."""
    reply = a_dashboard(a_relay()).post("/-/end", query_string=query, headers=OWN)
    assert reply.location == f"/-/?sort=age&ended={'ended' if query.get('id') == '0f1e' else 'none'}"


def test_what_an_address_says_of_a_button_is_in_words_of_ours() -> None:
    """A link cannot put words into the page."""
    assert "evil" not in a_dashboard().get("/-/?ended=evil").text


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_form_of_another_page_ends_nothing(headers: dict[str, str]) -> None:
    """Whoever the browser's owner is."""
    assert a_dashboard(a_relay()).post("/-/end", query_string={"id": "0f1e"}, headers=headers).status_code == 403


def test_who_may_only_read_sees_no_buttons() -> None:
    """And could not use them; without a token there is nothing to see."""
    token = AdminToken("r", hashlib.sha256(b"abcdefghij123456").digest(), frozenset({READ}))
    client = a_dashboard(a_relay(), access=Access(tokens=(token,)))
    shows = {"Authorization": "Bearer abcdefghij123456"}

    text = client.get("/-/", headers=shows).text
    assert 'id="s-0f1e"' in text and "/-/end" not in text and "<button id" not in text
    assert client.post("/-/end", query_string={"id": "0f1e"}, headers={**shows, **OWN}).status_code == 403
    assert client.get("/-/").status_code == client.get("/-/live").status_code == 401
    assert "/-/end" in a_dashboard(a_relay()).get("/-/").text


def test_only_what_somebody_wrote_is_shown_of_the_configuration() -> None:
    """Defaults and what is inherited stand elsewhere; of thousands of settings some are shown."""
    tables = [
        ("[server]", [Setting("a", "1", "f.toml:1"), Setting("b", "2", "default")]),
        ("[routes.retry]", [Setting("c", "3", "[defaults], f.toml:9")]),
        ("[many]", [Setting(f"s{number}", "4", "f.toml:2") for number in range(600)]),
    ]
    found = panels.written((header, iter(settings)) for header, settings in tables)
    assert [(header, len(own)) for header, own in found] == [("[server]", 1), ("[routes.retry]", 0), ("[many]", 499)]
    text = a_dashboard(tables=tables).get("/-/").text
    assert "The first 500 settings" in text and "[routes.retry]" not in text


def test_the_configuration_for_programs_has_all_of_it() -> None:
    """A table after the other, with the origin of each value; 404 where nobody knows it."""
    tables = [("[server]", [Setting("a", "1", "f.toml:1"), Setting("b", None, "default")])]
    (told,) = a_dashboard(tables=tables).get("/-/config").get_json()["tables"]
    assert told == {
        "table": "[server]",
        "settings": [
            {"name": "a", "value": "1", "origin": "f.toml:1"},
            {"name": "b", "value": None, "origin": "default"},
        ],
    }
    assert a_dashboard().get("/-/config").status_code == 404
