"""How much memory the Python frames of an exchange take: what an open stream keeps of it (docs/performance.md)."""

from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.certificates import TlsFiles
from support.frame_probe import IS_KNOWN, PAGE_OCTETS, REPORT, deepest
from support.gateway_process import route_to
from support.rude_client import RudeClient
from support.scripted_upstream import chunk, read_request
from support.together import DONE, END, EVERYTHING, ONE, SSE

WARM, MEASURED = 3, 3
"""The first requests of a worker load what Python loads late, and begin threads: no stream after them does."""


@pytest.mark.skipif(not IS_KNOWN, reason="frames of this Python are laid out in another way")
@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://localhost", "https://localhost"])
@pytest.mark.parametrize("route", [{}, EVERYTHING], ids=["plain", "everything"])
def test_frames_of_an_exchange_fit_into_a_page(
    gateway: StartGateway,
    scripted_upstream: StartUpstream,
    tls_files: TlsFiles,
    tmp_path: Path,
    url: str,
    route: dict[str, object],
) -> None:
    """At the deepest point, with a new connection upstream: to an address or to a name, with TLS or without."""
    tls = tls_files.server_context() if url.startswith("https:") else None
    upstream = scripted_upstream([read_request, 0.05, SSE, chunk(ONE), 0.05, chunk(DONE), END], tls=tls)
    report = tmp_path / "report"
    authorities = {"tls": {"ca": str(tls_files.ca)}} if tls is not None else {}
    toml = route_to(f"{url}:{upstream.port}", upstream={"keepalive": "0s", **authorities}, **route)
    running = gateway(toml, module="tests.support.frame_probe", environment={REPORT: str(report)})
    for _ in range(WARM + MEASURED):
        with RudeClient(running.address) as client:
            assert client.get("/").read_response().complete
    running.stop()

    # The least of them: a look for garbage within one of them is not what each of them needs.
    least = min(deepest(report)[-MEASURED:], key=lambda each: each["octets"])
    assert {"Spine.obtain", "Opener.open"} <= {name for name, _ in least["frames"]}
    frames = "\n".join(f"{octets:5} {name}" for name, octets in least["frames"])
    assert least["octets"] <= PAGE_OCTETS, (
        f"{least['octets']} octets of frames, a page has room for {PAGE_OCTETS}: each open stream keeps 4 KiB more. "
        "Let what is done once return before the next is called, and take wrappers and variables out of frames that "
        f"stay (docs/performance.md, 'What an open stream holds'):\n{frames}"
    )
