"""``gateway init``: a commented configuration to start from."""

import sys
from importlib.resources import files
from pathlib import Path

import click

STARTERS = ("generic", "openai", "anthropic")


@click.command()
@click.argument("kind", type=click.Choice(STARTERS), default=STARTERS[0])
@click.option("-o", "--output", default="gateway.toml", show_default=True, metavar="FILE", help='"-" for stdout.')
def init(kind: str, output: str) -> None:
    """Write a starter configuration for OpenAI, for Anthropic, or for any slow API.

    A file that exists is never overwritten.
    """
    text = starter(kind)
    if output == "-":
        click.echo(text, nl=False)
        return
    try:
        # Exclusive, so that a file which appears in between is not lost either.
        with open(Path(output), "x", encoding="utf-8") as file:
            file.write(text.replace("-c FILE", f"-c {output}"))
    except FileExistsError:
        sys.stderr.write(f"gateway: {output} exists and is left as it is; name another file with -o\n")
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"gateway: cannot write {output}: {error.strerror}\n")
        sys.exit(1)
    sys.stderr.write(f"wrote {output}; next: gateway check -c {output}\n")


def starter(kind: str) -> str:
    """Return the text of the starter configuration called ``kind``, one of `STARTERS`."""
    return files("gateway.cli").joinpath("starters", f"{kind}.toml").read_text(encoding="utf-8")
