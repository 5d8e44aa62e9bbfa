"""What the probes measured. Plain values: times are seconds, counted from the moment the request was on its way."""

from dataclasses import dataclass, field

WHOLE, BROKEN, WAITING, LEFT, NOTHING = "whole", "broken", "waiting", "left", "nothing"
"""How an answer ended: by its framing, or by the connection's end where that frames it; cut; not at all while we
waited; by us; or there was no head."""


@dataclass(frozen=True, slots=True)
class Tls:
    """A handshake that was accepted."""

    version: str
    """``TLSv1.3`` and the like."""
    days_left: float | None
    """Until the certificate expires; None where it was not verified."""
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to one address: the name, the connection, TLS."""

    name: str
    """Scheme and authority, for people."""
    addresses: tuple[str, ...] = ()
    lookup_seconds: float = 0.0
    connect_seconds: float = 0.0
    tls_seconds: float = 0.0
    tls: Tls | None = None
    failed: str = ""
    """The step that failed: ``lookup``, ``connect`` or ``tls``; empty where none did."""
    why: str = ""
    """What the step said."""
    certificate_fault: int = 0
    """OpenSSL's number for what is wrong with the certificate (X509_V_ERR_*); 0 where it is something else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it arrived."""

    status: int = 0
    version: str = ""
    """``HTTP/1.1`` and the like."""
    fields: tuple[tuple[str, str], ...] = ()
    head_seconds: float = 0.0
    pieces: tuple[tuple[float, bytes], ...] = ()
    """When each piece came, and its octets with any compression taken off."""
    ending: str = NOTHING
    ended_seconds: float = 0.0
    why: str = ""
    """The error that ended it, if one did."""
    wall_clock: float = 0.0
    """Seconds since the epoch by this machine's clock when the head came."""
    more: bool = False
    """Whether the connection could have carried another request."""

    @property
    def body(self) -> bytes:
        """All of its octets."""
        return b"".join(octets for _, octets in self.pieces)

    def values(self, name: str) -> list[str]:
        """Return the values of the field lines called ``name``, in order."""
        return [value for known, value in self.fields if known.lower() == name]

    def value(self, name: str) -> str:
        """Return the first value of ``name``; empty where there is none."""
        return next(iter(self.values(name)), "")


@dataclass(frozen=True, slots=True)
class Report:
    """What the far end saw of one request."""

    version: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    """Names of all field lines; values only of those that a probe sent, or that tell about the way."""
    framing: str = ""
    """Of the request's body: ``chunked``, ``length`` or empty."""
    arrivals: tuple[float, ...] = ()
    """When pieces of the request's body came, counted from the head's arrival."""
    octets: int = 0
    gone_seconds: float | None = None
    """When it noticed that the connection was over, counted from the head's arrival."""
    wall_clock: float = 0.0
    """Seconds since the epoch by its clock, when it made the report."""
    read_at: float = 0.0
    """The same by this machine's clock, when the report came."""

    def values(self, name: str) -> list[str]:
        """Return the values of the field lines called ``name``, in order."""
        return [value for known, value in self.fields if known.lower() == name]


@dataclass(frozen=True, slots=True)
class Paced:
    """A stream whose far end sent ``count`` events, one each ``gap_seconds``."""

    answer: Answer
    count: int
    gap_seconds: float
    pings: int = 0
    """Comment lines that it sent between them."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A stream that fell silent for ``seconds``, or whose head came so late."""

    answer: Answer
    seconds: float
    ping_seconds: float | None = None
    """How often the far end sent a comment meanwhile; None for never."""
    late_head: bool = False


@dataclass(frozen=True, slots=True)
class Sized:
    """A request, or an answer, with a head of about ``octets``."""

    octets: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Chain:
    """All that was measured between here and the far end; None where a probe could not be made."""

    reach: Reach
    hello: Answer
    again: Answer | None = None
    """The second answer on the same connection; None where the first one ended it."""
    arrived: bool = True
    """Whether the far end answered; nothing else was measured where it did not."""
    here: Report | None = None
    """What the far end saw of ``hello``."""
    paced: Paced | None = None
    hinted: Paced | None = None
    """With ``X-Accel-Buffering: no``."""
    zipped: Paced | None = None
    """Asked for with ``Accept-Encoding: gzip``."""
    upload: Report | None = None
    upload_sent_seconds: float = 0.0
    """From the first piece sent to the last."""
    upload_answer: Answer | None = None
    noticed_seconds: float | None = None
    """How long after we left the far end noticed; None where it did not while we waited."""
    noticed_patience_seconds: float = 0.0
    """How long we waited for that; 0 where the probe could not be made."""
    cut: Answer | None = None
    silent: tuple[Silent, ...] = ()
    request_heads: tuple[Sized, ...] = ()
    answer_heads: tuple[Sized, ...] = ()


@dataclass(frozen=True, slots=True)
class Direct:
    """One endpoint, asked without the gateway."""

    reach: Reach
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same request through the gateway and straight to the endpoints."""

    listener: Reach
    through: Answer | None
    direct: tuple[Direct, ...] = field(default=())
