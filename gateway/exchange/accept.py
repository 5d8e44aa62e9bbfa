"""What an Accept field says about media types (RFC 9110 section 12.5.1)."""

import re

_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def media_ranges(accept: str) -> dict[str, float]:
    """Return the quality of each media range; one whose quality cannot be read counts as not acceptable.

    Other parameters of a range are not looked at.
    """
    ranges: dict[str, float] = {}
    for member in accept.lower().split(","):
        media, *parameters = (part.strip(" \t") for part in member.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        ranges[media] = float(quality) if _QUALITY.fullmatch(quality) else 0.0
    return ranges


def quality(ranges: dict[str, float], media: str) -> float:
    """Return the quality of ``media``: the most specific range that holds it decides."""
    for candidate in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0
