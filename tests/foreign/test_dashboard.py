"""The dashboard in a real browser: it loads, moves, ends streams, and works without scripts, light and dark."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.browser import Browser, Visit
from support.conditions import wait_until
from support.gateway_process import Gateway, toml_table
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, chunk

_MORE_THAN_ONE_PERIOD_MS = 2500

StartGateway = Callable[..., Gateway]


def goes_on(connection: ScriptedConnection) -> None:
    """Begin a stream, and go on slowly until its connection ends."""
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun"))
    while True:
        connection.pause(0.2)
        connection.send(chunk(b"more"))


@pytest.fixture(scope="module")
def watched(session_gateway: StartGateway) -> Iterator[Gateway]:
    """A gateway with two workers, a good upstream, and one that nobody serves, whose breaker trips soon."""
    with ScriptedUpstream(goes_on) as upstream:
        toml = toml_table("upstreams.good", {"endpoints": [upstream.url]})
        dead = f"http://127.0.0.1:{free_port()}"
        breaker = {"failures": 1, "open": "5m", "max_open": "5m"}
        toml += toml_table("upstreams.dead", {"endpoints": [dead], "breaker": breaker})
        toml += toml_table("[routes]", {"name": "chat", "path": "/chat/", "upstream": "good"})
        toml += toml_table("[routes]", {"name": "search", "path": "/search/", "upstream": "dead"})
        yield session_gateway(toml, server={"workers": 2})


def page_of(running: Gateway) -> str:
    return "http://{}:{}/-/".format(*running.admin_address)


@contextlib.contextmanager
def a_stream(running: Gateway) -> Iterator[tuple[RudeClient, str]]:
    """Have one stream run; yield its client and its id."""
    before = _ids(running)
    with RudeClient(running.address) as client:
        client.get("/chat/completions?key=sk-4711").read_until_head()
        (exchange_id,) = wait_until(lambda: _ids(running) - before, 5, "the stream")
        yield client, exchange_id
    wait_until(lambda: exchange_id not in _ids(running), 5, "its end")


def _ids(running: Gateway) -> set[str]:
    return {each["id"] for each in running.admin("/-/streams").json()["streams"]}


@contextlib.contextmanager
def quiet(visit: Visit) -> Iterator[Visit]:
    """Look at a page in which the browser finds nothing to complain of."""
    with visit:
        visit.wait("() => document.readyState === 'complete'")
        yield visit
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_light_and_dark_wide_and_narrow(
    browser: Browser, watched: Gateway, scheme: str, width: int
) -> None:
    """Nothing is complained of, nothing stands out of the window, and words can be read before what is behind them."""
    profile = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with (
        a_stream(watched) as (_, exchange_id),
        RudeClient(watched.address) as refused,
        quiet(browser.visit(page_of(watched), **profile)) as visit,
    ):
        refused.get("/search/").read_response()
        visit.wait("id => document.getElementById(id)", f"s-{exchange_id}")
        visit.wait("() => document.querySelectorAll('#plot canvas').length === 2")
        visit.wait("() => document.querySelector('#upstreams .tripped')")
        visit.wait("() => document.title === '(1) slowgate' || document.title === '(2) slowgate'")
        assert visit.tell("document.documentElement.scrollWidth") == width
        assert visit.tell("document.querySelector('button.end').getBoundingClientRect().right") < width
        assert visit.tell("document.querySelector('#streams .scroll').scrollWidth") <= width
        assert visit.tell(_CONTRAST, "body") > 7
        for part in (".sub", ".tripped", ".available", "button.end", "a", ".tiles dt"):
            assert visit.tell(_CONTRAST, part) >= 4.5, part
        background = visit.tell("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) > 384) is (scheme == "light")


_CONTRAST = """selector => {
    const shine = (colour) => {
        const [red, green, blue] = colour.match(/[0-9.]+/g).map(Number).slice(0, 3)
            .map((each) => each / 255).map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const front = [...document.querySelectorAll(selector)].find((each) => each.checkVisibility());
    let behind = front;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    const both = [shine(getComputedStyle(front).color), shine(getComputedStyle(behind).backgroundColor)];
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}"""


def test_the_page_moves_by_itself_and_stands_still_when_told_to(browser: Browser, watched: Gateway) -> None:
    """A stream that begins appears, one that ends goes; after a click on Pause nothing does until the next one."""
    with quiet(browser.visit(page_of(watched))) as visit:
        with a_stream(watched) as (_, exchange_id):
            row = f"s-{exchange_id}"
            visit.wait("id => document.getElementById(id)", row)
            age = visit.tell("id => document.getElementById(id).cells[0].textContent", row)
            visit.wait("([id, age]) => document.getElementById(id).cells[0].textContent !== age", [row, age])
        visit.wait("id => !document.getElementById(id)", row)

        visit.do(lambda page: page.click("#pause"))
        assert visit.tell("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
        with a_stream(watched) as (_, other):
            visit.do(lambda page: page.wait_for_timeout(_MORE_THAN_ONE_PERIOD_MS))
            assert visit.tell("id => document.getElementById(id)", f"s-{other}") is None
            visit.do(lambda page: page.click("#pause"))
            visit.wait("id => document.getElementById(id)", f"s-{other}")


def test_a_button_ends_its_stream_after_a_question(browser: Browser, watched: Gateway) -> None:
    """The question names it, its client sees a cut, its row goes, another one stays, and what came of it is said."""
    with (
        a_stream(watched) as (_, other),
        a_stream(watched) as (client, exchange_id),
        quiet(browser.visit(page_of(watched))) as visit,
    ):
        visit.wait("() => window.htmx && !document.getElementById('pause').hidden")
        visit.do(lambda page: page.click(f"#end-{exchange_id}"))
        assert client.wait_closed() in ("eof", "reset")
        visit.wait("id => !document.getElementById(id)", f"s-{exchange_id}")
        visit.wait("() => document.getElementById('said').textContent.includes('was ended')")
        assert visit.tell("id => document.getElementById(id) !== null", f"s-{other}")
        assert len(visit.dialogs) == 1 and exchange_id in visit.dialogs[0]
        assert visit.tell("location.search") == ""


def test_focus_and_what_was_opened_stay_while_the_page_moves(browser: Browser, watched: Gateway) -> None:
    """Whoever uses the keyboard, or reads a table, is not thrown out of it every two seconds."""
    with (
        a_stream(watched) as (_, first),
        a_stream(watched) as (_, second),
        quiet(browser.visit(page_of(watched))) as visit,
    ):
        visit.do(lambda page: page.click("#traffic-table summary"))
        visit.do(lambda page: page.focus(f"#end-{second}"))
        age = visit.tell("id => document.getElementById(id).cells[0].textContent", f"s-{first}")
        for _ in range(2):
            visit.wait("([id, age]) => document.getElementById(id).cells[0].textContent !== age", [f"s-{first}", age])
            age = visit.tell("id => document.getElementById(id).cells[0].textContent", f"s-{first}")
        assert visit.tell("document.activeElement.id") == f"end-{second}"
        assert visit.tell("document.getElementById('traffic-table').open")
        assert visit.tell("document.querySelectorAll('#plot canvas').length") == 2


def test_the_keyboard_is_enough(browser: Browser, watched: Gateway) -> None:
    """The first tab leads past the head of the page, and Enter on a button ends its stream."""
    with a_stream(watched) as (client, exchange_id), quiet(browser.visit(page_of(watched))) as visit:
        visit.wait("() => window.htmx && !document.getElementById('pause').hidden")
        visit.do(lambda page: page.keyboard.press("Tab"))
        assert visit.tell("document.activeElement.className") == "skip"
        visit.do(lambda page: page.keyboard.press("Enter"))
        for _ in range(3):
            visit.do(lambda page: page.keyboard.press("Tab"))
        assert visit.tell("document.activeElement.id") == f"end-{exchange_id}"
        assert visit.tell("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        visit.do(lambda page: page.keyboard.press("Enter"))
        assert client.wait_closed() in ("eof", "reset")


def test_without_scripts_the_page_is_whole_and_its_buttons_work(browser: Browser, watched: Gateway) -> None:
    """Plain forms and links: end a stream, sort, load again."""
    with (
        a_stream(watched) as (client, exchange_id),
        quiet(browser.visit(page_of(watched), java_script_enabled=False)) as visit,
    ):
        text = visit.do(lambda page: page.inner_text("body"))
        for part in ("Open streams", "Upstreams", "Routes", "Recent failures", "Configuration", "Reload every 10 s"):
            assert part in text
        visit.do(lambda page: page.click("text=Last chunk"))
        assert visit.do(lambda page: page.url).endswith("?sort=silence#streams")
        visit.do(lambda page: page.click(f"#end-{exchange_id}"))
        assert client.wait_closed() in ("eof", "reset")
        assert "The stream was ended." in visit.do(lambda page: page.inner_text("#said"))
        assert "sort=silence" in visit.do(lambda page: page.url)


def test_a_gateway_that_does_not_answer_is_noticed(browser: Browser, watched: Gateway) -> None:
    """What is shown then is old, and the page says so, and again when it is new."""
    with browser.visit(page_of(watched)) as visit:
        visit.wait("() => document.getElementById('updated').textContent.startsWith('Live')")
        visit.do(lambda page: page.context.set_offline(True))
        visit.wait("() => document.querySelector('.live-state.lost')")
        assert "does not answer" in visit.tell("document.getElementById('said').textContent")
        visit.do(lambda page: page.context.set_offline(False))
        visit.wait("() => !document.querySelector('.live-state.lost')")


def test_a_token_is_the_password_that_the_browser_asks_for(browser: Browser, gateway: StartGateway) -> None:
    """With it the page loads with all its files, moves, and has buttons only with the right to control."""
    secrets = {"reader": "reader-" + "4711" * 8, "operator": "operator-" + "4712" * 8}
    tokens: list[dict[str, Any]] = [
        {"name": name, "sha256": hashlib.sha256(each.encode()).hexdigest()} for name, each in secrets.items()
    ]
    tokens[1]["rights"] = ["read", "control"]
    with ScriptedUpstream(goes_on) as upstream:
        toml = toml_table("upstreams.good", {"endpoints": [upstream.url]})
        toml += toml_table("[routes]", {"path": "/", "upstream": "good"})
        running = gateway(toml, admin={"tokens": tokens})
        with RudeClient(running.address) as client:
            client.get("/").read_until_head()
            for name, buttons in (("reader", 0), ("operator", 1)):
                shows = {"username": "me", "password": secrets[name]}
                with quiet(browser.visit(page_of(running), http_credentials=shows)) as visit:
                    visit.wait("() => document.querySelectorAll('#plot canvas').length === 2")
                    visit.wait("() => document.querySelectorAll('#streams tbody tr').length === 1")
                    assert visit.tell("document.querySelectorAll('button.end').length") == buttons
                    if buttons:
                        visit.do(lambda page: page.click("button.end"))
                        assert client.wait_closed() in ("eof", "reset")
