"""``gateway key``: new keys and passwords for callers. What is printed once is stored nowhere."""

import hashlib
import re
import secrets
import sys

import click

_OCTETS = 32
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@click.group()
def key() -> None:
    """Make keys for callers. The configuration holds only their SHA-256."""


@key.command("new")
@click.option("--name", default="app", show_default=True, help="What the caller is called.")
@click.option("--user", is_flag=True, help="Make a password for Basic credentials, not a key.")
def new(name: str, user: bool) -> None:
    """Print a new key of 256 bits on standard output, and what belongs into gateway.toml on standard error.

    The key is shown this once: `gateway key new --name app > app.key` keeps it out of the terminal.
    """
    from gateway.policy.caller_keys import PREFIX

    _check(name)
    made = secrets.token_urlsafe(_OCTETS)
    text = made if user else f"{PREFIX}{made}"
    click.echo(text)
    _tell(name, text, user)


@key.command("hash")
@click.option("--name", default="app", show_default=True, help="What the caller is called.")
@click.option("--user", is_flag=True, help="It is a password for Basic credentials, not a key.")
def hash_(name: str, user: bool) -> None:
    """Read an existing key from standard input and print what belongs into gateway.toml on standard output.

    It must be random: the SHA-256 of a word tells the word to whoever reads it.
    """
    _check(name)
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        sys.stderr.write("gateway: there is no key on standard input\n")
        sys.exit(1)
    click.echo(lines(name, text, user))


def lines(name: str, text: str, user: bool) -> str:
    """Return the table of `gateway.toml` for a caller whose key or password ``text`` is."""
    from gateway.config.problem import dotted

    table = dotted(("callers", "users" if user else "keys", name))
    return f'[{table}]\nsha256 = "{hashlib.sha256(text.encode()).hexdigest()}"'


def _tell(name: str, text: str, user: bool) -> None:
    way = "basic" if user else "keys"
    sys.stderr.write(f"\nFor gateway.toml, which keeps only the digest:\n\n{lines(name, text, user)}\n\n")
    sys.stderr.write(f'A route asks for it with  auth = {{ any = ["{way}"] }}  as does [defaults] for all routes.\n')


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        sys.stderr.write('gateway: a name has letters, digits, "-", "_" and ".", at most 64\n')
        sys.exit(2)
