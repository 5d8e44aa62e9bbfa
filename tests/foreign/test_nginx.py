"""nginx beside the gateway: in front of it, behind it, and on both sides at once."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from support.conditions import settled, wait_until
from support.demo_process import DemoUpstream
from support.gateway_process import Gateway, toml_table
from support.nginx_process import Nginx
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_upstream import Script, ScriptedUpstream
from support.tap import Tap

from gateway.demo.download import content

StartGateway = Callable[..., Gateway]
Staged = Callable[[Script], ScriptedUpstream]

TRUSTS_NGINX = toml_table("forwarding", {"trusted_peers": ["127.0.0.1"]})
PLACES = ["in front", "behind", "on both sides"]


@dataclass
class Chain:
    """A way to an upstream through nginx and the gateway, and where it begins."""

    address: tuple[str, int]
    gateway: Gateway
    front: Nginx | None = None
    behind: Nginx | None = None

    def requests_at_the_back(self) -> list[tuple[int, int, int, str]]:
        """Return the requests to the demo upstream that nginx behind the gateway has finished."""
        return [] if self.behind is None else self.behind.requests(0)


BuildChain = Callable[[str], Chain]


@pytest.fixture(scope="module")
def chain(
    nginx_program: str,
    tmp_path_factory: pytest.TempPathFactory,
    session_gateway: StartGateway,
    demo_upstream: DemoUpstream,
    stage_upstream: ScriptedUpstream,
) -> Iterator[BuildChain]:
    """Build ways, each once: ``chain(place)``, one of PLACES. To the demo upstream; /staged/ and /nobody/ as usual."""
    upstreams = [demo_upstream.address, ("127.0.0.1", stage_upstream.port), ("127.0.0.1", free_port())]
    built: dict[str, Chain] = {}
    with ExitStack() as stack:

        def nginx(name: str, *targets: tuple[str, int]) -> Nginx:
            return stack.enter_context(Nginx(nginx_program, tmp_path_factory.mktemp(name), *targets))

        def build(place: str) -> Chain:
            behind = None if place == "in front" else nginx("behind", *upstreams)
            addresses = upstreams if behind is None else behind.addresses
            gateway = session_gateway(TRUSTS_NGINX + "".join(map(route, ["/", "/staged/", "/nobody/"], addresses)))
            front = None if place == "behind" else nginx("front", gateway.address)
            return Chain(gateway.address if front is None else front.addresses[0], gateway, front, behind)

        def once(place: str) -> Chain:
            if place not in built:
                built[place] = build(place)
            return built[place]

        yield once


def route(path: str, address: tuple[str, int]) -> str:
    """Return the TOML of a route to an upstream of its own."""
    name = path.strip("/") or "demo"
    table = toml_table(f"upstreams.{name}", {"endpoints": [f"http://{address[0]}:{address[1]}"]})
    return table + toml_table("[routes]", {"name": name, "path": path, "upstream": name})


@pytest.mark.parametrize("place", PLACES)
def test_each_piece_passes_before_the_upstream_makes_the_next(chain: BuildChain, staged: Staged, place: str) -> None:
    """The head goes through both while the body is silent, and each piece as it is made."""
    way = chain(place)
    staged(tap := Tap())
    with RudeClient(way.address) as client:
        client.get("/staged/slow")
        client.read_until_head()
        for number in range(5):
            tap.send(f"piece {number}\n".encode())
            assert client.read_until(f"piece {number}\n".encode())
        tap.end()
        assert client.read_until(b"0\r\n\r\n")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", ["close", "reset", "short-length"])
def test_cut_answer_is_seen_through_the_chain(chain: BuildChain, place: str, how: str) -> None:
    """What the upstream breaks off looks broken off to the client, after all that came before."""
    way = chain(place)
    with RudeClient(way.address) as client:
        answer = client.get(f"/cut?after=5000&how={how}&delay=50").read_response()
    assert (answer.status, answer.body, answer.complete) == (200, b"." * 5000, False)
    assert way.gateway.wait_for_line(lambda line: line["id"] == answer.first("x-request-id"))["outcome"] == "truncated"


@pytest.mark.parametrize("place", PLACES)
def test_connections_are_kept_on_both_sides(chain: BuildChain, place: str) -> None:
    """Requests one after the other use the same connections, after bodies of every framing and after none."""
    way = chain(place)
    targets = ["/text?n=2&delay=0", "/download?size=70000", "/status/204", "/status/304", "/echo", "/status/503"] * 2
    with RudeClient(way.address) as client:
        assert client.get("/text?n=1").read_response().complete
        to_gateway, at_nginx = settled(way.gateway.open_client_connections), way.requests_at_the_back()
        for target in targets:
            assert client.get(target).read_response().complete
        assert to_gateway == way.gateway.open_client_connections() > 0
    if way.behind is not None:
        wait_until(lambda: len(way.requests_at_the_back()) == len(at_nginx) + len(targets), what="nginx to log")
        (connection, number, *_), *later = way.requests_at_the_back()[len(at_nginx) - 1 :]
        assert [one[:2] for one in later] == [(connection, number + 1 + index) for index in range(len(targets))]


@pytest.mark.parametrize("place", PLACES)
def test_bodies_pass_whole_in_both_directions(chain: BuildChain, place: str) -> None:
    """A download, a part of one, and uploads of both framings arrive octet for octet."""
    way = chain(place)
    octets = b"".join(content(0, 2 * 2**20 + 1))
    with RudeClient(way.address) as client:
        assert client.get(f"/download?size={len(octets)}").read_response().body == octets
        part = client.get(f"/download?size={len(octets)}", "Range: bytes=-9").read_response()
        assert (part.status, part.body) == (206, octets[-9:])
        for framing, body in (
            (f"Content-Length: {len(octets)}", octets),
            ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(octets), octets)),
        ):
            head = f"POST /upload HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n"
            told = json.loads(client.send(head.encode() + body).read_response().body)
            assert told == {"length": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}


@pytest.mark.parametrize("place", PLACES)
def test_client_that_leaves_ends_the_whole_chain(chain: BuildChain, staged: Staged, place: str) -> None:
    """A client that leaves a silent stream lets go of the upstream behind nginx and gateway, within a second."""
    way = chain(place)
    upstream = staged(Tap())
    with RudeClient(way.address) as client:
        client.get("/staged/left").read_until_head()
        client.leave()
        upstream.wait_until(lambda seen: seen.open_connections == 0, timeout=1.5)
    assert way.gateway.wait_for_line(lambda line: line["target"] == "/staged/left")["outcome"] == "client_gone"


def test_client_behind_a_trusted_nginx_is_known_to_the_upstream(chain: BuildChain) -> None:
    """What nginx says about the client is kept, and the gateway adds nginx to it."""
    way = chain("in front")
    with RudeClient(way.address) as client:
        answer = client.get("/echo", "X-Forwarded-For: 192.0.2.7", host="api.example.com").read_response()
    fields = dict(json.loads(answer.body)["fields"])
    assert fields["X-Forwarded-For"] == "192.0.2.7, 127.0.0.1, 127.0.0.1"
    assert fields["X-Forwarded-Host"] == "api.example.com"


def test_502_that_nginx_says_is_told_from_one_of_the_gateway(chain: BuildChain) -> None:
    """nginx's own 502 passes as it is; only what the gateway made itself says so in Proxy-Status."""
    with RudeClient(chain("behind").address) as by_nginx, RudeClient(chain("in front").gateway.address) as by_gateway:
        said, made = by_nginx.get("/nobody/").read_response(), by_gateway.get("/nobody/").read_response()
    assert (said.status, said.all("proxy-status")) == (502, [])
    assert str(said.first("server")).startswith("nginx")
    assert (made.status, made.first("server")) == (502, None)
    assert str(made.first("proxy-status")).startswith("slowgate; error=connection_refused")
