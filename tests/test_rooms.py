"""The shape of the source: who may import whom, how long a file may be, and that what decides is tested.

The table below is the law of the rooms. A line that breaks it belongs in another room, which the failure names; to
change the law, write a decision record first, then change the table.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(ROOT.glob("gateway/**/*.py"))
TESTS = sorted(path for path in ROOT.glob("tests/**/*.py") if "node_modules" not in path.parts)

LONGEST_FILE_LINES = 400
LONGEST_FUNCTION_LINES = 60
TESTED_ONE_TO_ONE = ("config", "exchange", "formats", "policy", "upstream")


@dataclass(frozen=True)
class Room:
    """What the files of one room may import besides the standard library and their own room."""

    ours: tuple[str, ...] = ()
    """Rooms of ours; ``policy.hooks`` allows that module alone; ``*`` allows all but ``server`` and ``cli``."""
    theirs: tuple[str, ...] = ()
    """Libraries."""


ROOMS = {
    # Know nothing of ours.
    "exchange": Room(),
    # Marks are values of an exchange; zstd is a library by these names until Python 3.14.
    "formats": Room(ours=("exchange",), theirs=("compression", "backports")),
    "config": Room(theirs=("pydantic", "pydantic_core")),
    "delivery": Room(theirs=("gevent",)),  # brings what has ended away, whatever it is and wherever it goes
    "demo": Room(theirs=("flask", "werkzeug", "gevent", "click")),  # a program of its own, run beside the gateway
    "doctor": Room(),  # examines a gateway from outside, and knows nothing of it
    # Know what an exchange is.
    "grammar": Room(ours=("config", "exchange"), theirs=("pydantic",)),
    "relay": Room(ours=("exchange",), theirs=("gevent",)),
    "shared": Room(ours=("exchange", "relay"), theirs=("redis",)),
    "observe": Room(ours=("exchange",)),
    # Writes records down and reads them out: SQLite blocks, so calls need threads of gevent's (decision 0018).
    "store": Room(ours=("config", "delivery", "exchange", "observe"), theirs=("sqlalchemy", "gevent")),
    # Sends spans of ended exchanges (decision 0023).
    "tracing": Room(ours=("delivery", "exchange", "observe", "relay.within"), theirs=("opentelemetry", "gevent")),
    "upstream": Room(ours=("exchange",), theirs=("requests", "urllib3")),
    "policy": Room(
        ours=("config", "exchange", "formats", "grammar"),
        theirs=("pydantic", "joserfc", "backports", "compression"),  # zstd, in the standard library since Python 3.14
    ),
    # The spine knows policies only as callables.
    "lifecycle": Room(ours=("exchange", "policy.hooks")),
    "downstream": Room(ours=("exchange", "policy", "lifecycle", "relay"), theirs=("flask", "werkzeug")),
    "admin": Room(
        ours=("config.problem", "config.rounded", "config.units", "delivery.courier", "exchange", "observe", "store"),
        theirs=("flask", "werkzeug"),
    ),
    # From text to a running gateway.
    "settings": Room(ours=("config", "exchange", "grammar", "policy"), theirs=("pydantic",)),
    "assemble": Room(ours=("config", "exchange", "policy", "settings")),
    "callers": Room(ours=("exchange", "policy", "relay", "upstream"), theirs=("joserfc",)),
    # What the parts of a worker say of themselves, for metrics.
    "states": Room(ours=("exchange", "observe", "policy")),
    # What becomes of an exchange that has ended.
    "records": Room(ours=("exchange", "observe", "policy", "relay", "store", "tracing")),
    "app": Room(ours=("*",)),
    "server": Room(
        ours=("app", "settings", "exchange", "relay", "observe", "store", "admin"),
        theirs=("gunicorn", "gevent"),
    ),
    "cli": Room(
        # The doctor trusts the certificates that the gateway trusts: by the same context.
        ours=(
            "app",
            "settings",
            "assemble",
            "config",
            "exchange",
            "policy",
            "server",
            "demo",
            "doctor",
            "upstream.dialing",
        ),
        theirs=("click",),
    ),
    "__main__": Room(ours=("server", "cli")),
    "__init__": Room(),
}


def room_of(path: Path) -> str:
    """Return the room of a file of ours: its folder, or its own name at the top."""
    return path.relative_to(ROOT / "gateway").parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything imported, also inside functions and for type checking only.

    ``from gateway.policy import hooks`` yields ``gateway.policy.hooks``: what is named, not where it is looked up.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = node.module or ""
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def may_know(room: str, other: str) -> bool:
    """Tell whether files of ``room`` may import ``other``, a module of ours without its leading ``gateway.``."""
    top = other.split(".")[0]
    if top not in ROOMS or top == room:
        return True  # names at the top of the package, such as __version__; the own room
    if "*" in ROOMS[room].ours:
        return top not in ("server", "cli")
    return any(other == allowed or other.startswith(f"{allowed}.") for allowed in ROOMS[room].ours)


def complaint(room: str, module: str) -> str | None:
    """Return what is wrong with ``room`` importing ``module`` and where such a line belongs, or None."""
    top, _, rest = module.partition(".")
    if top in sys.stdlib_module_names:
        return None
    if top == "gateway":
        if may_know(room, rest):
            return None
        homes = [name for name in ROOMS if may_know(name, rest) and may_know(name, room)]
        return f"{room} may not know {rest}; both are known to: {', '.join(homes)}"
    if top in ROOMS[room].theirs:
        return None
    homes = [name for name, law in ROOMS.items() if top in law.theirs]
    return f"{module} belongs in: {', '.join(homes) or 'no room yet'}"


def strays(source: str, room: str) -> list[str]:
    """Return a complaint for each import in ``source`` that does not belong in ``room``."""
    found = ((line, complaint(room, module)) for line, module in imported_modules(ast.parse(source)))
    return [f"line {line}: {text}" for line, text in found if text is not None]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function, also methods and inner functions."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def decides(tree: ast.AST) -> bool:
    """Tell whether a function in the file branches, loops or catches: whether there is anything to get wrong."""
    branching = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.Match, ast.BoolOp, ast.comprehension)
    return any(isinstance(node, branching) for function in functions(tree) for node in ast.walk(function))


def shown(path: Path) -> str:
    """Return the path as a person in the tree would type it."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_each_source_file_imports_only_what_its_room_may_know(path: Path) -> None:
    """Imports point down, and each library is known to its own room alone."""
    assert room_of(path) in ROOMS, f"{room_of(path)} is a new room: give it a line in ROOMS"
    assert strays(path.read_text(), room_of(path)) == []


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=shown)
def test_each_file_and_function_is_short(path: Path) -> None:
    """Nobody has to scroll far to read a whole: a file has at most 400 lines, a function 60."""
    text = path.read_text()
    long_functions = [
        f"{function.name} has {length} lines"
        for function in functions(ast.parse(text))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION_LINES
    ]
    assert long_functions == []
    assert len(text.splitlines()) <= LONGEST_FILE_LINES


@pytest.mark.parametrize("path", [path for path in SOURCES if room_of(path) in TESTED_ONE_TO_ONE], ids=shown)
def test_each_file_that_decides_something_has_its_test_file(path: Path) -> None:
    """A gateway/<room>/<name>.py that branches, loops or catches has its tests/<room>/test_<name>.py."""
    mirrored = path.relative_to(ROOT / "gateway").with_name(f"test_{path.name}")
    needs_one = path.stem != "__init__" and decides(ast.parse(path.read_text()))
    assert not needs_one or (ROOT / "tests" / mirrored).exists(), f"tests/{mirrored} is missing"


@pytest.mark.parametrize(
    ("room", "line", "expected"),
    [
        ("relay", "import requests", "line 1: requests belongs in: upstream"),
        ("exchange", "from flask import g", "line 1: flask.g belongs in: demo, downstream, admin"),
        (
            "policy",
            "import gevent.lock",
            "line 1: gevent.lock belongs in: delivery, demo, relay, store, tracing, server",
        ),
        ("observe", "import nowhere_known", "line 1: nowhere_known belongs in: no room yet"),
        (
            "relay",
            "from gateway.policy import retry",
            "relay may not know policy.retry; both are known to: downstream, callers, records, app",
        ),
        ("lifecycle", "from gateway.policy.retry import retry", "lifecycle may not know policy.retry.retry"),
        ("app", "def f():\n    import gateway.cli.serve", "line 2: app may not know cli.serve"),
    ],
)
def test_stray_import_is_named_with_the_room_it_belongs_in(room: str, line: str, expected: str) -> None:
    """A failure tells where the line goes, not only that it is wrong."""
    assert len(strays(line, room)) == 1
    assert expected in strays(line, room)[0]


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("upstream", "import urllib3.util"),
        ("lifecycle", "from gateway.policy.hooks import Hooks"),
        ("lifecycle", "from gateway.policy import hooks"),
        ("admin", "from gateway import __version__"),
        ("app", "from gateway.upstream.opening import Opener"),
        ("exchange", "import dataclasses, json"),
    ],
)
def test_import_of_an_own_room_or_a_known_one_is_accepted(room: str, line: str) -> None:
    """The table forbids nothing that it allows."""
    assert strays(line, room) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class A:\n    def f(self):\n        return 1 if self else 2", True),
        ("def f(a):\n    return [b for b in a]", True),
        ("X = [a for a in range(3)]\n\ndef f():\n    return X", False),
        ("class A:\n    size: int = 0", False),
    ],
)
def test_file_with_a_branch_inside_a_function_decides_something(source: str, expected: bool) -> None:
    """Only code that can go wrong asks for a test file."""
    assert decides(ast.parse(source)) is expected
