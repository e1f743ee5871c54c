"""The documentation says what the program does, and its links lead somewhere."""

import re
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from syncd.config.key_tree import known_keys
from syncd.core.model import REASONS
from syncd.core.outcome import Outcome
from syncd.observability.health import LinkHealth
from syncd.observability.metrics import LinkNow, Metrics
from syncd.observability.state import State
from syncd.observability.traffic import Budget, Traffic
from tools import docs_reference, man_pages

ROOT = Path(__file__).parents[2]
GENERATED = {
    path: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs").glob("*.md"))
    if "<!-- generated: " in path.read_text(encoding="utf-8")
}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as the common renderers make them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_pages_are_up_to_date(path: Path) -> None:
    assert GENERATED[path] == docs_reference.refreshed(GENERATED[path]), (
        "run: python -m tools.docs_reference docs"
    )


@pytest.mark.parametrize("name", ["syncd.1", "syncd.toml.5"])
def test_man_pages_are_up_to_date(name: str) -> None:
    made = man_pages.pages(ROOT / "docs")
    assert set(made) == {each.name for each in (ROOT / "docs" / "man").iterdir()}
    assert page(f"man/{name}") == made[name], "run: python -m tools.docs_reference docs"


@pytest.mark.parametrize("name", ["syncd.1", "syncd.toml.5"])
def test_a_man_page_fits_80_columns_and_has_no_mark_of_its_source(name: str) -> None:
    if (groff := shutil.which("groff")) is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", "-P-c", "-rLL=78n", str(ROOT / "docs" / "man" / name)],
        capture_output=True,
        text=True,
        check=True,
    )
    shown = re.sub(".\b", "", done.stdout)
    assert done.stderr == ""
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert not re.search(r"`|\]\(|\*\*|<!--|\\\|", shown)


def test_every_part_that_can_be_written_stands_somewhere() -> None:
    marks = re.findall(r"<!-- generated: (\w+) -->", "".join(GENERATED.values()))
    assert sorted(marks) == sorted(docs_reference.BLOCKS)


def test_every_command_and_option_is_documented() -> None:
    documented = page("commands.md")
    for name, command in docs_reference.tree():
        section = documented.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        assert section, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"`{option.opts[0]}`" in section, (name, option.name)


def test_every_key_is_documented() -> None:
    documented = page("configuration.md")
    for path in known_keys(["NAME"]):
        if path[0] in docs_reference.FILE_ONLY:
            assert path[0] in documented
            continue
        table = path[2] if path[0] == "links" else ".".join(path[:-1])
        key = path[3] if path[0] == "links" and len(path) > 3 else path[-1]
        if path[0] == "links" and len(path) == 3:
            assert f"[links.NAME.{table}" in documented, path
        else:
            assert f"### `{table}.{key}`" in documented, path


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_in_the_table_and_in_words(reason: str) -> None:
    documented = page("held.md")
    assert f"\n| `{reason}` |" in documented
    assert f"\n### `{reason}`\n" in documented


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_exit_code_is_documented(outcome: Outcome) -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", page("exit-codes.md"), re.MULTILINE)
    assert (str(outcome.exit_code), outcome.value) in rows


def test_the_order_of_the_exit_codes_is_documented() -> None:
    codes = [outcome.exit_code for outcome in sorted(Outcome, key=lambda each: each.severity)]
    order = ", ".join(str(code) for code in codes if code)
    assert f"worst first: {order}" in page("exit-codes.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"{path.name}: {target}"
        assert ROOT in there.parents
        if anchor:
            assert anchor in anchors(there), f"{path.name}: {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        at = todo.pop()
        if at in reached or at.suffix != ".md" or not at.exists():
            continue
        reached.add(at)
        targets = LINK.findall(at.read_text(encoding="utf-8"))
        todo += [(at.parent / each.partition("#")[0]).resolve() for each in targets]
    unreached = {each.name for each in set(PAGES) - reached}
    assert not unreached, "name them in README.md under Documentation"


def test_no_page_holds_a_conflict_that_was_not_resolved() -> None:
    marked = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
    assert [each.name for each in PAGES if marked.search(each.read_text(encoding="utf-8"))] == []


def test_commands_in_the_pages_are_commands_that_exist() -> None:
    verbs = {name for name, _ in docs_reference.tree()}
    for path in PAGES:
        for typed in re.findall(r"`syncd ([a-z][^`]*)`", path.read_text(encoding="utf-8")):
            assert f"syncd {typed.split()[0]}" in verbs, f"{path.name}: syncd {typed}"


def test_every_sentence_of_the_pages_stands_on_a_line_of_its_own() -> None:
    for path in PAGES:
        if path in GENERATED or path.parent.name != "docs":
            continue
        for line in FENCE.sub("", path.read_text(encoding="utf-8")).splitlines():
            if not line.startswith("|"):
                assert not re.search(r"[a-z`)]\. [A-Z]", line), f"{path.name}: {line}"


# --- what a monitor may rely on


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows, by each code word of the first cell."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for word in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("| `") else ():
            found[word] = cells
    return found


def test_every_state_is_documented_with_its_code() -> None:
    documented = rows(page("monitoring.md").partition("## `syncd status")[0])
    assert {word: int(cells[1]) for word, cells in documented.items()} == {
        state.value: state.code for state in State
    }
    assert list(documented) == [state.value for state in State], "the worst first"


def test_every_key_of_the_json_is_documented_and_no_other() -> None:
    section = page("monitoring.md").partition("Of each link:")[2].partition("\n## ")[0]
    at = datetime(2026, 3, 2, tzinfo=UTC)
    link = LinkHealth(name="clinic", at=at, state=State.OK, budgets={"ghl": Budget()})
    assert set(rows(section)) == set(link.as_json())
    budget = rows(section)["budget"][2]
    assert set(re.findall(r"`(\w+)`", budget)) == set(Budget().as_json())


def test_every_metric_is_documented_with_its_labels() -> None:
    documented = rows(page("monitoring.md").partition("\n## Metrics\n")[2])
    metrics = Metrics("")
    wire = Traffic(answers={"200": 1}, budget=Budget(daily_left=1))
    now = LinkNow(
        link="l",
        state=State.OK,
        good_seconds=1,
        poll_seconds=1,
        traffic={"ghl": wire},
        hearing={"ghl": "heard"},
    )
    metrics.watch(lambda: [now])
    found = {}
    for family in metrics.registry.collect():
        if family.name.startswith("syncd_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = family
    assert set(documented) == set(found)
    for name, family in found.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert not labels or set(documented[name][1].split(", ")) == labels, name
