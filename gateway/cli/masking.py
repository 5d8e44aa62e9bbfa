"""What a command prints about routes, without what references brought into them."""

from typing import TYPE_CHECKING

from gateway.config.secrets import MASK

if TYPE_CHECKING:
    from gateway.assemble import Checked

_SHORTEST = 4
"""Characters; what is shorter is no secret, and would be found everywhere."""


class Masking:
    """Replaces every value of a route or upstream that came from a reference, wherever it appears in a text."""

    def __init__(self, found: "Checked") -> None:
        hides, texts = found.sources.hides, set[str]()
        for index, route in enumerate(found.settings.routes):
            for name in ("name", "path", "host", "upstream", "strip_prefix", "rewrite"):
                if hides(("routes", index, name)):
                    texts.add(str(getattr(route, name)))
            for name in ("hosts", "methods"):
                values = enumerate(getattr(route, name))
                texts |= {value for place, value in values if hides(("routes", index, name, place))}
        texts |= {text.strip("/") for text in texts}  # as a part of a target
        self._texts = sorted((text for text in texts if len(text) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return ``text`` as it may be shown."""
        for hidden in self._texts:
            text = text.replace(hidden, MASK)
        return text
