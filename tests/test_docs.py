"""The documentation says what the code does: its tables are complete, its examples load, its references exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.exchanges import a_reply, a_route, an_attempt, an_exchange
from support.records import line

from docs import configuration_page, example_file, generate
from docs.model import settings_of
from gateway.assemble import read_text
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import KINDS, NO_ROUTE, Failure, Kind, Side
from gateway.exchange.marks import Marks, Usage
from gateway.exchange.outcome import Outcome
from gateway.exchange.trace import Trace
from gateway.settings import Policies

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
RECORDS = sorted(ROOT.glob("docs/decisions/[0-9]*.md"))
LOG_LINE = (ROOT / "docs/log-line.md").read_text()

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SOURCE = re.compile(r"`((?:gateway|tests|docs|deploy)/[\w./-]+)`")
FIRST_CELL = re.compile(r"^\| `(\w+)` \|", re.M)


def shown(path: Path) -> str:
    """Return the path as a person in the tree would type it."""
    return str(path.relative_to(ROOT))


def blocks(language: str) -> list[tuple[str, str]]:
    """Return where and what: each fenced block of ``language`` in any page."""
    found = []
    for path in PAGES:
        text = path.read_text()
        for match in FENCE.finditer(text):
            if match[1] == language:
                found.append((f"{shown(path)}:{text.count(chr(10), 0, match.start()) + 1}", match[2]))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def first_cells(page: str, heading: str) -> list[str]:
    """Return the code words in the first column of the table below ``heading``."""
    _, _, section = page.partition(f"\n## {heading}\n")
    return FIRST_CELL.findall(section.partition("\n## ")[0])


def an_ended_exchange() -> Exchange:
    """Return an exchange whose line has every key there is."""
    exchange = an_exchange(route=a_route())
    exchange.attempts.append(an_attempt())
    exchange.reply = a_reply(fields=[("X-Request-Id", "theirs")])
    exchange.committed_at = exchange.finished_at = 101.0
    exchange.outcome = Outcome.COMPLETE
    exchange.marks = Marks("openai", usage=Usage(1, 2, 3))
    exchange.flaw = exchange.unwatched = "a word"
    exchange.pings = exchange.plain_bytes = 1
    exchange.converted = "text/csv"
    exchange.hedged = "won"
    exchange.drained = "complete"
    exchange.early = True
    exchange.trace = Trace("1" * 32, "1" * 16, None, True)
    return exchange


def test_page_of_failures_is_up_to_date() -> None:
    """What the page says is what the code does; `python -m docs.generate` writes it anew."""
    assert generate.PAGE.read_text(encoding="utf-8") == generate.page()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_each_failure_stands_on_its_page_with_its_status(kind: Kind) -> None:
    """Whoever finds a code in a log finds it on the page too, and what to do about it."""
    row = next(row for row in generate.page().splitlines() if row.startswith(f"| `{kind.code}` |"))
    assert f"| {kind.status or 'none'} |" in row
    assert generate.ADVICE[kind.code] in row


def test_advice_is_about_failures_that_exist() -> None:
    """A failure that was removed leaves nothing behind on the page."""
    codes = {kind.code for kind in KINDS}
    assert set(generate.ADVICE) == codes
    assert codes >= generate.AFTER_THE_HEAD


def test_failure_without_advice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new kind of failure cannot be left out of the page by forgetting it."""
    nameless = Kind("nameless", Side.GATEWAY, 500, "", "Nameless")
    monkeypatch.setattr(generate, "KINDS", (*KINDS, nameless))
    with pytest.raises(KeyError, match="nameless"):
        generate.page()


@pytest.mark.parametrize("made", generate.made(), ids=lambda made: made[0].name)
def test_what_is_made_from_the_code_is_up_to_date(made: tuple[Path, str]) -> None:
    """Pages and gateway.toml say what the model does; `python -m docs.generate` writes them anew."""
    path, text = made
    assert path.read_text(encoding="utf-8") == text


def test_each_setting_stands_on_the_page_of_the_configuration_once() -> None:
    """The reference leaves nothing out, and what inherits is told in one place."""
    listed = re.findall(r"^\| `([\w.]+)` \|", configuration_page.page(), re.M)
    assert len(listed) == len(set(listed))
    for header, model in configuration_page.TABLES:
        for setting in settings_of(model):
            inherits = setting.name in Policies.model_fields and issubclass(model, Policies)
            assert (f"{header.strip('[]')}.{setting.name}" in listed) is not inherits
    for name in ("timeouts.connect", "timeouts.total", "limits.max_request_body", "include"):
        assert name in listed


def test_each_table_has_its_place_in_the_example() -> None:
    """Nothing of the model is left out of gateway.toml because its marker was forgotten."""
    tables = {model for model, _ in example_file.TABLES.values()}
    assert example_file.missing(example_file.FILE.read_text()) == []
    assert tables | set(example_file.IN_PLACE) >= {model for _, model in configuration_page.TABLES}


def test_what_people_wrote_in_the_example_stays() -> None:
    """Only lines between markers are made; a setting that is set is not listed again."""
    text = "# mine\n[log]\nlevel = 'debug' # yes\n# --- more of [log] ---\n# stale\n# --- end ---\n# also mine\n"
    made = example_file.text(text)
    assert made.startswith("# mine\n[log]\nlevel = 'debug' # yes\n# --- more of [log] ---\n# How log lines look:")
    assert made.endswith('#format = "json"\n# --- end ---\n# also mine\n')
    assert "stale" not in made
    assert "#level" not in made


def test_generator_tells_a_stale_page_by_its_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` is 1 for a missing or stale page, says what to do, and writes nothing; 0 once it was written."""
    page = tmp_path / "failures.md"
    monkeypatch.setattr(generate, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 1
    assert not page.exists()
    page.write_text("old")
    assert generate.main() == 1
    assert "python -m docs.generate" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["generate"])
    assert generate.main() == 0
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 0


def test_generator_runs_as_it_is_documented() -> None:
    """`python -m docs.generate --check` works from the project's folder."""
    command = [sys.executable, "-m", "docs.generate", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_key_of_the_log_line_is_documented_in_its_order() -> None:
    """The table of keys and the line have the same keys, in the same order."""
    assert first_cells(LOG_LINE, "Keys") == list(line(an_ended_exchange(), ""))


def test_only_the_last_keys_of_the_log_line_can_be_missing() -> None:
    """The page's word about keys that are always there holds for an exchange that had nothing to tell."""
    exchange = an_exchange()
    exchange.fail(Failure(NO_ROUTE))
    keys = first_cells(LOG_LINE, "Keys")
    assert list(line(exchange, "")) == keys[: keys.index("peer") + 1]


def test_each_outcome_is_documented() -> None:
    """The table of outcomes has all of them, in the order of the code, and no other."""
    assert first_cells(LOG_LINE, "Outcomes") == [outcome.value for outcome in Outcome]


@pytest.mark.parametrize(("where", "text"), [pytest.param(*block, id=block[0]) for block in blocks("toml")])
def test_each_configuration_in_the_documentation_loads(where: str, text: str, tmp_path: Path) -> None:
    """Whatever a reader copies is accepted, without a warning."""
    _, plan, warnings = read_text(text, where, directory=tmp_path)
    assert plan.routes
    assert warnings == ()


def test_there_are_configurations_to_load() -> None:
    """The README has one, and so have the pages about what can be configured."""
    pages = {where.partition(":")[0] for where, _ in blocks("toml")}
    assert pages >= {"README.md", "docs/life-of-a-request.md", "docs/log-line.md"}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of ours finds the file, and the heading where it names one."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_files_that_are_named_exist(page: Path) -> None:
    """A page that sends its reader to a file of the source names one that is there."""
    named = [name for name in SOURCE.findall(FENCE.sub("", page.read_text())) if "<" not in name]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("record", RECORDS, ids=shown)
def test_decision_record_says_what_was_given_up(record: Path) -> None:
    """A record has its number, the three parts, at most a page, and a line in the list."""
    text = record.read_text()
    assert text.startswith(f"# {record.name[:4]} ")
    assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Choice", "What we gave up"]
    assert len(text.splitlines()) <= 60
    assert f"]({record.name})" in (record.parent / "README.md").read_text()


def test_decision_records_are_numbered_without_gaps() -> None:
    """The number of a record is its place."""
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))
