"""`gateway key`: keys for callers, printed once."""

import hashlib
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.assemble import read_text
from gateway.cli.key import key
from gateway.config.secrets import MASK

REST = '[upstreams.a]\nendpoints = ["http://127.0.0.1:9"]\n[[routes]]\npath = "/"\nupstream = "a"\n'


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(key, list(arguments), input=typed)


@pytest.mark.parametrize(("option", "table", "way"), [((), "keys", "keys"), (("--user",), "users", "basic")])
def test_new_key_stands_alone_on_standard_output(option: tuple[str, ...], table: str, way: str) -> None:
    """What goes into the file stands on standard error, can be pasted, and does not hold the key."""
    made = run("new", "--name", "app.one", *option)
    text = made.stdout.rstrip("\n")
    lines = "\n".join(line for line in made.stderr.splitlines() if line.startswith(("[", "sha256")))

    assert made.exit_code == 0
    assert len(text.removeprefix("sgk_")) == 43
    assert text not in made.stderr
    digest = tomllib.loads(lines)["callers"][table]["app.one"]["sha256"]
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    _, plan, warnings = read_text(f'{lines}\n[defaults]\nauth = {{ any = ["{way}"] }}\n{REST}', "x")
    assert warnings == ()
    assert plan.routes[0].auth is not None


def test_no_two_keys_are_the_same() -> None:
    """256 bits of the system's own chance."""
    assert len({run("new").stdout for _ in range(20)}) == 20


def test_existing_key_is_read_from_standard_input_and_never_repeated() -> None:
    """Only its digest is printed; a line break at its end is none of it."""
    made = run("hash", "--name", "app", typed="an-old-key\n")

    assert f'sha256 = "{hashlib.sha256(b"an-old-key").hexdigest()}"' in made.stdout
    assert "an-old-key" not in made.output


@pytest.mark.parametrize(("arguments", "typed"), [(("new", "--name", "two words"), ""), (("hash",), "\n")])
def test_what_makes_no_key_is_refused(arguments: tuple[str, ...], typed: str) -> None:
    """A name that the file could not hold, and no key at all."""
    made = run(*arguments, typed=typed)

    assert made.exit_code != 0
    assert made.stdout == ""
    assert made.stderr.startswith("gateway: ")


def test_key_that_was_written_in_the_place_of_its_digest_is_not_shown(tmp_path: Path) -> None:
    """The mistake is told, the key is not; a digest in a file that all can read is no mistake."""
    from gateway.cli.check import check

    file = tmp_path / "gateway.toml"
    file.write_text(f'[callers.keys.a]\nsha256 = "sgk_my-own-key"\n{REST}')
    told = CliRunner().invoke(check, ["-c", str(file)])
    assert told.exit_code == 1
    assert "64 hexadecimal digits" in told.stderr and MASK in told.stderr
    assert "my-own" not in told.output

    file.write_text(f'defaults.auth.any = ["keys"]\n[callers.keys.a]\nsha256 = ["{"a" * 64}"]\n{REST}')
    file.chmod(0o644)
    assert CliRunner().invoke(check, ["-c", str(file), "--strict"]).output.count("is good") == 1
