"""``gateway proxy``: a gateway in front of one address, without a file."""

import sys

import click


@click.command()
@click.option("--to", "url", required=True, metavar="URL", help="Where every request goes.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="ADDR", help="Where to listen.")
@click.option("--admin", default="127.0.0.1:8081", show_default=True, metavar="ADDR", help='Admin listener, or "off".')
def proxy(url: str, listen: str, admin: str) -> None:
    """Serve one route: everything to URL."""
    import json

    from gateway.assemble import read_text_checked
    from gateway.cli.reading import configuration_of
    from gateway.config.problem import ConfigError

    # JSON's strings are TOML's basic strings.
    text = f"""
[server]
listen = {json.dumps(listen)}
[admin]
listen = {json.dumps(admin)}
[log]
format = "text"
[upstreams.to]
endpoints = [{json.dumps(url)}]
[[routes]]
name = "all"
path = "/"
upstream = "to"
"""
    try:
        found = read_text_checked(text, "command line")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    from gateway.server.logs import configure
    from gateway.server.serve import serve

    configure(found.settings.log.level)
    sys.stderr.write(f"http://{listen} -> {url}\n")
    serve(configuration_of(found))
