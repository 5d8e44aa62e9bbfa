"""A text becomes a model, or all its problems, for a model that has nothing to do with gateways."""

from pathlib import Path

import pytest
from pydantic import Field

from gateway.config.load import MAX_OCTETS, examine, examine_text, load, load_text
from gateway.config.model import Model
from gateway.config.problem import ConfigError, Severity
from gateway.config.secrets import Secret
from gateway.config.units import Duration


class Tool(Model):
    name: str
    wait: Duration = 1.0


class Shed(Model):
    owner: str = "nobody"
    lock: Secret | None = None
    size: int = 1
    tools: tuple[Tool, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


def problems_of(text: str) -> list[str]:
    """Return the headlines of all problems of ``text``."""
    with pytest.raises(ConfigError) as raised:
        load_text(text, "shed.toml", Shed)
    return [problem.headline() for problem in raised.value.problems]


def test_a_sound_text_becomes_the_model() -> None:
    """Arrays arrive as tuples, durations as seconds, and what is left out has its default."""
    shed = load_text('size = 2\n[[tools]]\nname = "saw"\nwait = "2m"\n', "shed.toml", Shed)

    assert shed == Shed(size=2, tools=(Tool(name="saw", wait="2m"),))
    assert shed.tools[0].wait == 120


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    """References to files start from the directory of the file they stand in; a byte order mark does no harm."""
    (tmp_path / "owner").write_text("ann\n")
    (tmp_path / "shed.toml").write_bytes(b'\xef\xbb\xbfowner = "${file:owner}"\r\nsize = 2\r\n')

    assert load(tmp_path / "shed.toml", Shed) == Shed(owner="ann", size=2)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    """Unknown keys, wrong types and missing keys stand in one list."""
    text = 'size = "2"\nownr = "ann"\n[[tools]]\nwait = 5\n'

    assert problems_of(text) == [
        'shed.toml:1:8: size: expected a whole number, found "2"',
        'shed.toml:2:1: ownr: unknown key (did you mean "owner"?)',
        'shed.toml:3:1: tools[0].name: the key "name" is missing',
        "shed.toml:4:8: tools[0].wait: expected a duration such as "
        '"250ms", "30s", "5m" or "1h30m", found 5 (did you mean "5s"?)',
    ]


def test_a_misspelt_required_key_is_one_problem() -> None:
    """That the right key is missing is no news beside its misspelling."""
    assert problems_of('[[tools]]\nnmae = "saw"\n') == [
        'shed.toml:2:1: tools[0].nmae: unknown key (did you mean "name"?)'
    ]


def test_an_element_is_called_by_its_name() -> None:
    """In a long file a name says more than a number."""
    assert problems_of('[[tools]]\nname = "saw"\nwiat = "5s"\n') == [
        'shed.toml:3:1: tools.saw.wiat: unknown key (did you mean "wait"?)'
    ]


def test_a_problem_of_carriage_returns_has_the_same_place() -> None:
    """Line ends of either kind count as one."""
    assert problems_of("size = 1\r\n\r\nsaiz = 2\r\n") == ['shed.toml:3:1: saiz: unknown key (did you mean "size"?)']


def test_a_value_that_was_substituted_is_never_told() -> None:
    """A wrong value from the environment is named by its place, without what it was and without a guess of it."""
    examined = examine_text('size = "${env:N}"\n[[tools]]\nname = "${env:N}"\nwait = "${env:N}"\n', "shed.toml", Shed,
                            environ={"N": "600"})  # fmt: skip

    assert [problem.headline() for problem in examined.problems] == [
        "shed.toml:1:8: size: expected a whole number, found a string (***)",
        "shed.toml:4:8: tools[0].wait: expected a duration such as "
        '"250ms", "30s", "5m" or "1h30m", found a string (***)',
    ]


def test_a_secret_in_the_line_of_another_problem_is_masked() -> None:
    """The offending line is shown without the secrets that stand beside the mistake."""
    with pytest.raises(ConfigError) as raised:
        load_text('labels = { a = 1, apiToken = "abc" }\nlock = 12345\n', "shed.toml", Shed)

    assert [problem.source for problem in raised.value.problems] == [
        'labels = { a = 1, apiToken = "***" }',
        'lock = "***"',
    ]
    assert "12345" not in str(raised.value)


def test_what_remains_of_a_broken_text_can_be_checked_further() -> None:
    """Wrong values fall back to their defaults, incomplete elements are left out, and places stay right."""
    examined = examine_text('size = "x"\n[[tools]]\nwait = "1s"\n[[tools]]\nname = "saw"\n', "shed.toml", Shed)

    assert examined.value == Shed(tools=(Tool(name="saw"),))
    assert examined.document.partial
    assert examined.document.problem(("tools", 0, "name"), "x").line == 5


def test_a_problem_in_a_nested_array_of_the_rest_has_its_own_line() -> None:
    """Indexes are translated at every level that lost elements."""
    examined = examine_text("[[tools]]\nname = 1\n[[tools]]\nname = 2\n[[tools]]\nname = 'x'\n", "shed.toml", Shed)

    assert examined.document.in_file(("tools", 0)) == ("tools", 2)


def test_an_element_that_becomes_incomplete_takes_no_other_one_with_it() -> None:
    """Leaving out goes in rounds: later ones still mean the elements that the file has."""
    text = "[[tools]]\nwait = '1s'\n[[tools]]\nname = 1\n[[tools]]\nname = 'x'\n"
    examined = examine_text(text, "shed.toml", Shed)

    assert examined.value == Shed(tools=(Tool(name="x"),))
    assert examined.document.kept == {("tools",): (2,)}


def test_a_secret_readable_by_all_is_a_warning(tmp_path: Path) -> None:
    """It does not keep the settings from being used."""
    (tmp_path / "owner").write_text("ann")
    (tmp_path / "owner").chmod(0o644)
    examined = examine_text('owner = "${file:owner}"', "shed.toml", Shed, directory=tmp_path)

    assert examined.value == Shed(owner="ann")
    assert [(problem.severity, problem.line) for problem in examined.problems] == [(Severity.WARNING, 1)]


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"a = 1\nb = '\xff'\n", ":2:6: this is not UTF-8"),
        (b"#" * (MAX_OCTETS + 1), f"larger than {MAX_OCTETS} octets"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "values are nested too deeply"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_one_problem(tmp_path: Path, octets: bytes | None, told: str) -> None:
    """Missing, undecodable, huge and absurd files are told like any other mistake."""
    path = tmp_path / "shed.toml"
    if octets is not None:
        path.write_bytes(octets)
    with pytest.raises(ConfigError) as raised:
        examine(path, Shed)

    assert str(raised.value).startswith(str(path))
    assert told in str(raised.value)
    assert len(raised.value.problems) == 1


def test_an_error_keeps_no_secret_in_its_causes() -> None:
    """A traceback that prints the whole chain of causes shows no value either."""
    with pytest.raises(ConfigError) as raised:
        load_text('size = "sk-hidden"\nlock = 1', "shed.toml", Shed)
    error: BaseException | None = raised.value
    while error is not None:
        assert error is raised.value or "sk-hidden" not in str(error)
        error = error.__context__
