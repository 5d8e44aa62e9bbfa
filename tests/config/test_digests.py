"""Digests in place of secrets."""

from pathlib import Path

import pytest

from gateway.assemble import read

FILE = """
[admin]
tokens = [{ name = "ops", %s }]
[upstreams.a]
endpoints = ["http://127.0.0.1:9"]
[[routes]]
path = "/"
upstream = "a"
"""


@pytest.mark.parametrize(
    ("token", "told"),
    [('sha256 = "' + "aF" * 32 + '"', 0), ('token = "abcdefghij0123456789"', 1)],
)
def test_a_file_with_digests_only_may_be_read_by_everybody(token: str, told: int, tmp_path: Path) -> None:
    """That is what they are for; a token itself is told."""
    file = tmp_path / "gateway.toml"
    file.write_text(FILE % token)
    file.chmod(0o644)
    settings, _, warnings = read(file)

    assert [str(each).count("which holds a secret") for each in warnings] == [1] * told
    assert settings.admin.tokens[0].sha256 in ("af" * 32, None)
