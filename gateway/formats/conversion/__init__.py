"""One format becomes another while it streams: octets in, whole frames of the other format out. Pure."""
