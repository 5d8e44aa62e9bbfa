"""What the store costs: CPU of an exchange with and without it, the first row of a large export, and leavers counted.

Run it as ``python tests/bench/store_cost.py [ROWS] [LEAVERS]``; a million rows and 10,000 leavers if not given. It
prints CPU microseconds for a small request, then for each database the time to an export's first row, its length and
the growth of the worker's memory, then how many clients that left at random moments have a line and how many a row.
"""

import contextlib
import http.client
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from bench.load.one_by_one import small_requests  # noqa: E402 - after the path is set
from bench.load.target import Target, upstream_process  # noqa: E402
from support.conditions import wait_until  # noqa: E402
from support.crowd import Crowd, SlowChorus, may_open  # noqa: E402
from support.gateway_process import Gateway, route_to, toml_table  # noqa: E402
from support.million import fill_postgres, fill_sqlite  # noqa: E402
from support.ports import free_port  # noqa: E402
from support.postgres_process import Postgres, postgres_programs  # noqa: E402

ROUNDS = 5
REQUESTS = 1000
SQLITE = {"url": "sqlite:///exchanges.db", "keep": "off", "max_size": "off"}
IN_FLIGHT = 500


def small(urls: dict[str, str | None]) -> dict[str, float]:
    """Return CPU microseconds of a small request, by the name of the store."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        direct = stack.enter_context(upstream_process(free_port(), directory))
        route = route_to(f"http://127.0.0.1:{direct.address[1]}")
        gateways = {
            name: stack.enter_context(
                Gateway(route if url is None else toml_table("store", {"url": url}) + route, directory / name)
            )
            for name, url in urls.items()
        }
        found: dict[str, list[float]] = {name: [] for name in gateways}
        for _ in range(ROUNDS):
            for name, running in gateways.items():
                found[name].append(small_requests(Target(name, running.address, running.pid), REQUESTS)[1])
        return {name: statistics.median(values) for name, values in found.items()}


def export(gateway: Gateway, target: str) -> str:
    """Return how an export went, in words."""
    with contextlib.closing(http.client.HTTPConnection(*gateway.admin_address, timeout=60)) as connection:
        before_kib, began = gateway.rss_kib(), time.monotonic()
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read(2000)  # the header and the first rows
        first_ms, octets, most_kib = (time.monotonic() - began) * 1000, 2000, before_kib
        while piece := answer.read(1 << 20):
            octets += len(piece)
            most_kib = max(most_kib, gateway.rss_kib())
        seconds = time.monotonic() - began
    grown = (most_kib - before_kib) / 1024
    return f"first row {first_ms:.0f} ms, {octets / 2**20:.0f} MiB in {seconds:.1f} s, {grown:+.1f} MiB of memory"


def exports(url: str, directory: Path, server: Postgres | None, rows: int) -> None:
    """Print how exports of ``rows`` rows go."""
    with Gateway(toml_table("store", {**SQLITE, "url": url}) + route_to("http://127.0.0.1:9"), directory) as gateway:
        with contextlib.closing(http.client.HTTPConnection(*gateway.address)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
        wait_until(lambda: gateway.admin("/-/store").json()["written"] == 1, 10, "the schema")
        if server is None:
            fill_sqlite(directory / "exchanges.db", rows)
        else:
            fill_postgres(server, rows)
        gateway.admin("/-/exchanges.csv?limit=1000")
        for form in ("csv", "ndjson", "json"):
            told = export(gateway, f"/-/exchanges.{form}")
            sys.stdout.write(f"{url.partition(':')[0]:10} {form:6} {told}\n")


def leavers(count: int) -> tuple[int, int]:
    """Return how many of ``count`` clients that leave at random moments have a line, and how many of those a row."""
    may_open(4 * IN_FLIGHT)
    chance = random.Random(20261120)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(SlowChorus())
        gateway = stack.enter_context(Gateway(toml_table("store", SQLITE) + route_to(upstream.url), directory))
        for start in range(0, count, IN_FLIGHT):
            with Crowd(gateway.address, b"tick") as crowd:
                for number in range(min(IN_FLIGHT, count - start)):
                    crowd.join()
                    if chance.random() < 0.5:
                        crowd.leave(chance.randrange(number + 1), reset=chance.random() < 0.5)
        wait_until(lambda: gateway.admin("/-/ready").json()["streams"] == 0, 60, "the end of every exchange")
        wait_until(lambda: gateway.admin("/-/store").json()["waiting"] == 0, 60, "the last row")
        lines = {line["id"] for line in gateway.log_lines()}
        ids = [row.split(",")[1] for row in gateway.admin("/-/exchanges.csv").text.splitlines()[1:]]
        assert len(ids) == len(set(ids)), "a row is there twice"
        return len(lines), len(lines & set(ids))


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    programs = postgres_programs()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        server = stack.enter_context(Postgres(programs, directory / "server")) if programs is not None else None
        urls: dict[str, str | None] = {"none": None, "sqlite": SQLITE["url"]}
        urls |= {"postgresql": server.url} if server is not None else {}
        for name, micros in small(urls).items():
            sys.stdout.write(f"{name:10} {micros:.0f} us of CPU for a small request\n")
        exports(SQLITE["url"], directory / "sqlite", None, rows)
        if server is not None:
            server.sql("DROP TABLE exchanges, slowgate_schema")
            exports(server.url, directory / "postgresql", server, rows)
    sys.stdout.write("{} leavers have a line, {} of them a row\n".format(*leavers(count)))


if __name__ == "__main__":
    main()
