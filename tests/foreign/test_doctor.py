"""`gateway doctor` with nginx between it and the gateway: what nginx does wrong is found, and nothing else."""

from collections.abc import Callable, Iterator

import pytest
from support.examination import Examination
from support.gateway_process import Gateway, toml_table
from support.nginx_process import FOR_STREAMS, Nginx
from support.ports import free_port

pytestmark = pytest.mark.alone
_UNBUFFERED = "proxy_buffering off; proxy_request_buffering off;"
_GZIP = "gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;"

Examine = Callable[[str], Examination]


@pytest.fixture(scope="module")
def examine(
    nginx_program: str, tmp_path_factory: pytest.TempPathFactory, session_gateway: Callable[..., Gateway]
) -> Iterator[Examine]:
    """Examine the chain with an nginx that proxies in the given manner: ``examine(directives)``."""
    port = free_port()
    gateway = session_gateway(
        toml_table("upstreams.probe", {"endpoints": [f"http://127.0.0.1:{port}"]})
        + toml_table("[routes]", {"path": "/probe/", "upstream": "probe"})
    )

    def run(manner: str) -> Examination:
        with Nginx(nginx_program, tmp_path_factory.mktemp("nginx"), gateway.address, manner=manner) as nginx:
            url = f"http://127.0.0.1:{nginx.addresses[0][1]}/probe/"
            return Examination(url, "--listen", f"127.0.0.1:{port}", "--idle", "2400ms")

    yield run


def test_nginx_that_is_set_up_for_streams_has_nothing_wrong(examine: Examine) -> None:
    """All checks are made and none is bad; what is merely worth knowing is a note."""
    done = examine(FOR_STREAMS)
    assert (done.status, done.bad) == (0, set()), str(done)
    assert {each["check"] for each in done.found} >= {
        "connect", "http version", "keep-alive", "answer fields", "request fields", "upload", "request head",
        "answer head",
        "buffering", "pings", "compression", "idle", "idle with pings", "late head",
        "cancel", "cut", "clock",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("manner", "bad", "told"),
    [
        # What nginx before 1.29 does where nobody says otherwise.
        pytest.param(
            "proxy_http_version 1.0;",
            {"buffering", "http version", "upload"},
            {"buffering": "`proxy_buffering off;`", "http version": "before slowgate speaks HTTP/1.0"},
            id="as-it-comes",
        ),
        pytest.param(
            f"proxy_http_version 1.1; proxy_request_buffering off; {_GZIP}",
            {"compression"},
            {"compression": "`gzip off;`"},
            id="gzip",
        ),
        pytest.param(
            f"{FOR_STREAMS} proxy_read_timeout 2s;",
            {"idle", "late head"},
            {"idle": "`proxy_read_timeout 1h;`", "late head": "status 504 by nginx"},
            id="short-timeout",
        ),
        pytest.param(
            f"proxy_http_version 1.0; {_UNBUFFERED}",
            {"http version", "upload"},
            {"http version": "`proxy_http_version 1.1;`"},
            id="http-1.0",
        ),
        pytest.param(
            "proxy_http_version 1.1; proxy_buffering off; proxy_ignore_client_abort on;"
            " proxy_hide_header Cache-Control; proxy_set_header Last-Event-ID '';",
            {"upload", "cancel", "answer fields", "request fields"},
            {
                "upload": "`proxy_request_buffering off;`",
                "cancel": "`proxy_ignore_client_abort off;`",
                "answer fields": "Cache-Control",
                "request fields": "Last-Event-ID",
            },
            id="all-sorts",
        ),
    ],
)
def test_what_nginx_does_wrong_is_found_and_nothing_else(
    examine: Examine, manner: str, bad: set[str], told: dict[str, str]
) -> None:
    """The status is 1, exactly these checks are bad, and what is said names the cause or the setting that heals it."""
    done = examine(manner)
    assert (done.status, done.bad) == (1, bad), str(done)
    for check, words in told.items():
        assert words in done.about(check), str(done)


def test_what_is_worth_knowing_is_a_note_and_fails_nothing(examine: Examine) -> None:
    """gzip without buffering flushes each event, and heads of usual sizes pass: the next size is told with its cure."""
    done = examine(f"{FOR_STREAMS} {_GZIP} proxy_buffer_size 8k; proxy_buffers 8 8k;")
    assert (done.status, done.severities("compression")) == (0, ["note"]), str(done)
    assert "16000 octets does not pass (status 400), one with 8000 does" in done.about("request head"), str(done)
    assert "8000 octets does not pass (status 502), one with 4000 does" in done.about("answer head"), str(done)
    assert "`proxy_buffer_size 32k;`" in done.about("answer head")
