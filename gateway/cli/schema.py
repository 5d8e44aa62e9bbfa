"""``gateway schema``: the configuration's JSON Schema, for editors that complete and check while one types."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from gateway.config.schema import schema_of
    from gateway.settings import Settings

    click.echo(json.dumps(schema_of(Settings, "gateway.toml"), indent=2, ensure_ascii=False))
