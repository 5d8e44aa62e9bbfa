"""The entry of the command line: ``gateway``, ``slowgate`` and ``python -m gateway``."""

import sys

_SERVING_COMMANDS = frozenset({"serve", "proxy", "demo"})


def main() -> None:
    """Run the command line. Commands that serve patch the standard library before anything else is imported."""
    if set(sys.argv[1:2]) & _SERVING_COMMANDS:
        from gateway.server.patch import patch

        patch()
    from gateway.cli.main import cli

    cli(prog_name="gateway")


if __name__ == "__main__":
    main()
