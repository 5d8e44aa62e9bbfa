"""A run of `gateway doctor`: its findings by what was looked at."""

import json

from click.testing import CliRunner

from gateway.cli.main import cli


class Examination:
    """What `gateway doctor` found, run with ``--json`` in this process: it starts no other."""

    def __init__(self, *arguments: str) -> None:
        done = CliRunner().invoke(cli, ["doctor", "--json", *arguments], catch_exceptions=False)
        assert done.exit_code in (0, 1) and done.stdout, done.stderr
        self.status = done.exit_code
        self.found: list[dict[str, str]] = json.loads(done.stdout)

    @property
    def bad(self) -> set[str]:
        """What is wrong, in the words for what was looked at."""
        return {each["check"] for each in self.found if each["severity"] == "bad"}

    def severities(self, check: str) -> list[str]:
        """Return how bad each finding about ``check`` is."""
        return [each["severity"] for each in self.found if each["check"] == check]

    def about(self, check: str) -> str:
        """Return what was said and advised about ``check``."""
        return "\n".join(f"{each['said']} {each['advice']}" for each in self.found if each["check"] == check)

    def __str__(self) -> str:
        """Return all that is not good, for the message of a failed test."""
        return json.dumps([each for each in self.found if each["severity"] != "good"], indent=1)
