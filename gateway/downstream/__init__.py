"""The clients' edge: the only room that imports Flask."""
