"""Judgements about the way to an address: names, connections, certificates, clocks."""

from calendar import timegm

from gateway.doctor.facts import Answer, Reach, Report, Tls
from gateway.doctor.findings import Finding, bad, good, note, span

_SLOW_LOOKUP_SECONDS = 1.0
_SLOW_CONNECT_SECONDS = 1.0
_SOON_DAYS = 30.0
_GOOD_TLS = ("TLSv1.2", "TLSv1.3")
_SKEW_NOTED_SECONDS = 3.0
_SKEW_BAD_SECONDS = 30.0
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# The numbers of OpenSSL's x509_vfy.h, which Python passes on.
_EXPIRED, _NOT_YET, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _NO_FIRST, _NAME, _ADDRESS = (
    10,
    9,
    18,
    19,
    20,
    21,
    62,
    64,
)
_CERTIFICATE = {
    _EXPIRED: ("has expired", "Renew it, and let the server read it again."),
    _NOT_YET: (
        "is not valid yet",
        "Compare the clocks of both machines, or use the certificate from its first day on.",
    ),
    _SELF_SIGNED: ("is signed by itself", "Trust it by name: `tls = { ca = ... }` of the upstream, or `--ca`."),
    _SELF_SIGNED_IN_CHAIN: (
        "comes from an authority that is not trusted here",
        "Name the authority: `tls = { ca = ... }` of the upstream, or `--ca`.",
    ),
    _NO_ISSUER: (
        "comes from an authority that is not trusted here, or the server does not send the intermediate certificates",
        "Let the server send its whole chain (nginx: the fullchain file), or name the authority: `tls = { ca = ... }`"
        " of the upstream, or `--ca`.",
    ),
    _NO_FIRST: (
        "cannot be verified: the server does not send the intermediate certificates",
        "Let the server send its whole chain (nginx: the fullchain file).",
    ),
    _NAME: ("is for another name", "Use a name that it is for, or `tls = { server_name = ... }` of the upstream."),
    _ADDRESS: (
        "is not for this address",
        "Use a name that it is for, or `tls = { server_name = ... }` of the upstream.",
    ),
}


def reaching(reach: Reach) -> list[Finding]:
    """Return what is to be said about the way to one address."""
    if reach.failed == "lookup":
        return [
            bad(
                "name",
                f"{reach.name}: the name is not known here ({reach.why}).",
                "Check the name, and the DNS of this machine.",
            )
        ]
    if reach.failed == "connect":
        where = f" at {', '.join(reach.addresses)}" if reach.addresses else ""
        advice = "See whether it runs and listens there, and whether a firewall is between."
        return [bad("connect", f"{reach.name}: nobody can be reached{where} ({reach.why}).", advice)]
    found = [_connecting(reach)]
    if reach.failed == "tls":
        found.append(_refused(reach))
    if reach.tls is not None:
        found += _tls(reach.name, reach.tls)
    return found


def _connecting(reach: Reach) -> Finding:
    times = f"found in {span(reach.lookup_seconds)}, connected in {span(reach.connect_seconds)}"
    if reach.tls is not None:
        times += f", TLS in {span(reach.tls_seconds)}"
    if reach.lookup_seconds > _SLOW_LOOKUP_SECONDS:
        return note(
            "name", f"{reach.name}: {times}: the name's lookup is slow.", "Look at the resolvers of this machine."
        )
    if reach.connect_seconds > _SLOW_CONNECT_SECONDS:
        advice = "An address that does not answer may come first: see whether each one listens."
        return note("connect", f"{reach.name}: {times}: connecting is slow ({', '.join(reach.addresses)}).", advice)
    return good("connect", f"{reach.name}: {times}.")


def _refused(reach: Reach) -> Finding:
    what, advice = _CERTIFICATE.get(reach.certificate_fault, ("", ""))
    if what:
        return bad("tls", f"{reach.name}: its certificate {what}.", advice)
    if reach.certificate_fault:
        return bad("tls", f"{reach.name}: its certificate is not accepted ({reach.why}).", "Renew or replace it.")
    advice = "See whether the port speaks TLS at all, and at least TLS 1.2."
    return bad("tls", f"{reach.name}: TLS does not come about ({reach.why}).", advice)


def _tls(name: str, tls: Tls) -> list[Finding]:
    found = []
    if tls.version not in _GOOD_TLS:
        found.append(bad("tls", f"{name}: speaks {tls.version}, which is broken.", "Allow TLS 1.2 and 1.3 only."))
    if not tls.verified:
        advice = "Take `verify = false` away; for a private authority there is `tls = { ca = ... }`."
        found.append(note("tls", f"{name}: the certificate is not verified, as configured.", advice))
    elif tls.days_left is not None and tls.days_left < _SOON_DAYS:
        said = f"{name}: the certificate expires in {max(tls.days_left, 0):.0f} days."
        found.append(bad("tls", said, "Renew it, and see why it was not renewed by itself."))
    if not found:
        until = "" if tls.days_left is None else f", the certificate is good for {tls.days_left:.0f} days"
        found.append(good("tls", f"{name}: {tls.version}{until}."))
    return found


def clocks(name: str, answer: Answer, report: Report | None = None) -> list[Finding]:
    """Compare the clock of whoever wrote the answer's Date, and that of the far end, with this machine's."""
    date = answer.value("date")
    if not date:
        return [note("clock", f"{name}: the answer has no Date.", "")] if answer.status else []
    there = date_seconds(date)
    if there is None:
        return [
            note("clock", f"{name}: its Date cannot be read ({date[:40]}).", "RFC 9110 section 5.6.7 has the form.")
        ]
    found = [_skew(name, there - answer.wall_clock)]
    if report is not None and report.read_at:
        found.append(_skew("the far end", report.wall_clock - report.read_at))
    return found


def _skew(name: str, ahead_seconds: float) -> Finding:
    size = abs(ahead_seconds)
    if size < _SKEW_NOTED_SECONDS:
        return good("clock", f"{name}: its clock agrees with this machine's.")
    said = f"{name}: its clock is {span(size)} {'ahead of' if ahead_seconds > 0 else 'behind'} this machine's."
    advice = "Let both machines follow NTP: tokens, signatures and caches depend on it."
    return note("clock", said, advice) if size < _SKEW_BAD_SECONDS else bad("clock", said, advice)


def date_seconds(text: str) -> float | None:
    """Return the seconds since the epoch that a Date says in the form that is sent today; None for another."""
    try:
        _, day, month, year, clock, zone = text.split()
        hours, minutes, seconds = map(int, clock.split(":"))
        if zone != "GMT":
            return None
        return float(timegm((int(year), _MONTHS.index(month) + 1, int(day), hours, minutes, seconds, 0, 0, 0)))
    except ValueError:
        return None
