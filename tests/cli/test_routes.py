"""`gateway routes`: what its help says of its lines."""

from click.testing import CliRunner

from gateway.cli.routes import routes


def test_help_says_what_may_be_given_and_what_a_line_has() -> None:
    """METHOD and PATH go together, or are left out together; the columns have no headings."""
    told = CliRunner().invoke(routes, ["--help"]).stdout

    assert "[METHOD PATH]" in told
    assert "name, its methods, its hosts, its path and its upstream" in " ".join(told.split())
