"""What `gateway check` says about keep-alive."""

import pytest

from gateway.assemble import read_text

ENDPOINTS = 'endpoints = ["http://127.0.0.1:9"]\n'


def warnings(stream: str, timeouts: str = "", defaults: str = "") -> list[str]:
    """Return what is questionable about a route with these tables."""
    text = f"[defaults]\n{defaults}\n[upstreams.a]\n{ENDPOINTS}[[routes]]\nname = 'r'\npath = '/'\nupstream = 'a'\n"
    text += f"stream = {{ {stream} }}\ntimeouts = {{ {timeouts} }}\n"
    return [f"{each.path}: {each.message}" for each in read_text(text, "x")[2]]


@pytest.mark.parametrize(
    ("stream", "timeouts"),
    [
        ("keepalive = '15s'", ""),
        ("keepalive = '15s', grace = '30s', format = 'openai'", "first_byte = '31s'"),
        ("keepalive = '15s', grace = 'off', format = 'json'", "idle = '16s'"),
        ("keepalive = 'off', format = 'csv'", ""),
        ("keepalive = '1s', grace = '5s'", "first_byte = 'off', idle = 'off'"),
    ],
)
def test_keepalive_that_acts_is_accepted_in_silence(stream: str, timeouts: str) -> None:
    """So is what only says that it is off."""
    assert warnings(stream, timeouts) == []


KEEPALIVE, GRACE = "routes.r.stream.keepalive: ", "routes.r.stream.grace: "


@pytest.mark.parametrize(
    ("stream", "timeouts", "told"),
    [
        ("keepalive = '15s', format = 'csv'", "", [KEEPALIVE + "cannot act: csv has no place for a ping"]),
        ("keepalive = '15s', format = 'opaque'", "", [KEEPALIVE + "cannot act: opaque has no place for a ping"]),
        ("grace = '5s'", "", [GRACE + "cannot act without keepalive"]),
        (
            "keepalive = '15s', grace = '5s', format = 'csv'",
            "",
            [
                KEEPALIVE + "cannot act: csv has no place for a ping",
                GRACE + "cannot act: nobody can tell what to promise for csv",
            ],
        ),
        (
            "keepalive = '999ms'",
            "",
            [KEEPALIVE + "sends more than one ping a second to each client that waits"],
        ),
        (
            "keepalive = '15s'",
            "idle = '15s'",
            [KEEPALIVE + "cannot act inside a body: timeouts.idle ends it after 15s"],
        ),
        (
            "keepalive = '15s', grace = '1m'",
            "first_byte = '1m'",
            [GRACE + "acts only in queues and retries: timeouts.first_byte ends an attempt after 1m"],
        ),
    ],
)
def test_keepalive_that_cannot_act_is_told_where_it_is_set(stream: str, timeouts: str, told: list[str]) -> None:
    """Each with its reason."""
    assert warnings(stream, timeouts) == told


def test_what_the_defaults_say_may_be_meant_for_others() -> None:
    """A route of another format is no mistake."""
    assert warnings("format = 'csv'", defaults="stream = { keepalive = '15s', grace = '5s' }") == []
