"""References in values, and values that do not show themselves."""

import os
from pathlib import Path

import pytest

from gateway.config.problem import Unacceptable
from gateway.config.secrets import MAX_FILE_OCTETS, References, Secret

ENVIRON = {"KEY": "abc", "EMPTY": "", "NESTED": "${env:KEY}", "NAME": "token", "BRACE": "a}b"}


@pytest.fixture
def references(tmp_path: Path) -> References:
    """Return references that start from a directory with a few files."""
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "lines").write_bytes(b"one\ntwo\r\n")
    (tmp_path / "blank").write_text("x\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    return References(tmp_path, ENVIRON)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${env:KEY}", "abc"),
        ("Bearer ${env:KEY}!", "Bearer abc!"),
        ("${env:KEY}${env:KEY}", "abcabc"),
        ("${env:MISSING:-fallback}", "fallback"),
        ("${env:EMPTY:-fallback}", "fallback"),
        ("${env:MISSING:-}", ""),
        ("${env:MISSING:-a:-b}", "a:-b"),
        ("${env:KEY:-${env:MISSING}}", "abc"),
        ("${env:MISSING:-${env:KEY}}", "abc"),
        ("${env:NESTED}", "${env:KEY}"),
        ("${env:BRACE}", "a}b"),
        ("${file:token}", "s3cret"),
        ("${file:${env:NAME}}", "s3cret"),
        ("${file:lines}", "one\ntwo"),
        ("${file:blank}", "x\n"),
        ("$${env:KEY}", "${env:KEY}"),
        ("$5 {a} }", "$5 {a} }"),
    ],
)
def test_a_reference_stands_for_its_value(references: References, text: str, expanded: str) -> None:
    """References are replaced wherever they stand; what they bring is taken as it is."""
    assert references.expand(text) == expanded


@pytest.mark.parametrize(
    "text",
    [
        "${env:MISSING}", "${env:EMPTY}", "${env:}", "${env:A B}", "${KEY}", "${vault:x}", "${env:KEY",
        "${env:${env:KEY}", "${file:nothing}", "${file:.}", "${file:binary}", "${file:}", "${file:a\0b}", "${}",
        "${env:MISSING:-${env:ALSO}}",
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_refused(references: References, text: str) -> None:
    """No reference is ever passed on as it stands, and none quietly becomes empty."""
    with pytest.raises(Unacceptable):
        references.expand(text)


def test_a_file_too_large_for_a_secret_is_refused(references: References) -> None:
    """A mistaken path does not fill the memory."""
    (references.directory / "large").write_bytes(b"x" * (MAX_FILE_OCTETS + 1))

    with pytest.raises(Unacceptable, match="larger than"):
        references.expand("${file:large}")


def test_a_pipe_is_refused_and_not_waited_for(references: References) -> None:
    """Only regular files hold secrets: reading the configuration never hangs."""
    os.mkfifo(references.directory / "pipe")

    with pytest.raises(Unacceptable, match="not a regular file"):
        references.expand("${file:pipe}")


def test_a_file_that_everyone_may_read_is_remembered(references: References) -> None:
    """A secret that every user of the machine can read is worth a warning."""
    (references.directory / "token").chmod(0o644)
    references.expand("${file:token}${file:lines}")

    assert references.readable_by_all == [str(references.directory / "token")]


def test_a_secret_never_shows_itself() -> None:
    """Only `reveal` gives the text away."""
    secret = Secret("abc")

    assert (str(secret), repr(secret), f"{secret}", secret.reveal()) == ("***", "***", "***", "abc")
    assert secret == Secret("abc") != Secret("abd")
