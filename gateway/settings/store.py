"""Settings of the exchange store: where it is, what it keeps, and for how long."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, ValidationInfo

from gateway.config.files import absolute
from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.secrets import MASK
from gateway.config.units import DurationOrOff, PositiveDuration, SizeOrOff

_FILE = "sqlite:///"
_SERVERS = ("postgresql", "postgres")
_EXPECTED = '"sqlite:///" and the name of a file, or "postgresql://USER:PASSWORD@HOST/DATABASE"'


def _url(text: str, info: ValidationInfo) -> str:
    """Return the address of a database, with the whole path of a file."""
    if text.startswith(_FILE):
        name = text.removeprefix(_FILE)
        if not name or name == ":memory:" or "?" in name:
            raise Unacceptable('"sqlite:///" and the name of a file')
        return _FILE + absolute(name, info)
    try:
        parts = urlsplit(text)
        fit = parts.scheme in _SERVERS and len(parts.path) > 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        fit = False
    if not fit:
        raise Unacceptable(_EXPECTED)
    return "postgresql://" + text.partition("://")[2]


def masked_url(url: str) -> str:
    """Return the address of a database for people: no password, no parameters, which may hold one."""
    head, _, rest = url.partition("://")
    if url.startswith(_FILE):
        return url
    place, mark, query = rest.partition("?")
    user, at, host = place.rpartition("@")
    if at and ":" in user:
        user = f"{user.partition(':')[0]}:{MASK}"
    return f"{head}://{user}{at}{host}{mark}{MASK if query else ''}"


StoreUrl = Annotated[str, AfterValidator(_url), PlainSerializer(masked_url), Kind("URL of a database")]
Column = Literal["id", "target", "peer", "principal", "detail", "tries", "upstream_request_id"]


class StoreSettings(Model):
    """A database that gets a row for each ended exchange, for exports and for looking things up later."""

    url: StoreUrl = Field(default="sqlite:///var/exchanges.db", repr=False, validate_default=True)
    """The database: "sqlite:///FILE", relative to this file, or "postgresql://USER:PASSWORD@HOST/DATABASE", which needs
    the extra `postgres`. Default "sqlite:///var/exchanges.db". Its password is never shown; better take it from a
    reference."""
    queue: int = Field(default=10_000, ge=100, le=1_000_000)
    """Records of a worker that may wait for the database; above it the oldest are dropped, and counted. Number. Default
    10000. Each takes 1 to 4 KiB of memory while it waits."""
    batch: int = Field(default=200, ge=1, le=5000)
    """Rows that are written in one transaction, at most. Number. Default 200."""
    flush: PositiveDuration = 1.0
    """How long a record waits for others before it is written. Duration. Default "1s". A worker that is killed
    loses what waits."""
    keep: DurationOrOff = 7 * 24 * 3600.0
    """How long rows stay. Duration or "off". Default "168h", seven days. With "off" nothing goes because of its age."""
    max_rows: int | None = Field(default=None, ge=1000, examples=[5_000_000])
    """Rows that stay; the oldest go first. Number. Default none."""
    max_size: SizeOrOff = 2**30
    """What the rows may take in a SQLite file; the oldest go first, and their place is used again. Size or "off".
    Default "1GiB". The file and its journal can be somewhat larger. For PostgreSQL use `max_rows`."""
    query_strings: bool = False
    """Whether targets are kept with the names of their parameters; values are never kept. Default false."""
    leave_out: tuple[Column, ...] = ()
    """Columns that stay empty: "id", "target", "peer", "principal", "detail", "tries", "upstream_request_id". Array.
    Default empty."""
    export_timeout: PositiveDuration = 600.0
    """How long an export may take before it is cut. Duration. Default "10m". While one runs, a database cannot give the
    place of deleted rows back."""
