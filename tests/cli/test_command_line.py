"""The command line as such: help, version, options in their places, how it ends."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import program
import pytest

from syncd import __version__
from syncd.bootstrap import SystemClock
from syncd.cli import PLACES
from syncd.cli import syncd as group
from syncd.cli.command import Verb, Verbs, log_level
from syncd.core.model import Appointment, Hold, Pair, Side
from syncd.observability.remedies import REMEDIES
from syncd.ports.store import CycleRow, HistoryEntry
from syncd.store import Store, migrate, open_engine
from syncd.store.transaction import SqlTransaction

Syncd = Callable[..., Any]


def verbs(command: click.Command, name: str = "syncd") -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    yield name, command
    if isinstance(command, Verbs):
        context = click.Context(command)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield from verbs(found, f"{name} {verb}")


ALL = dict(verbs(group))


@pytest.mark.parametrize("name", ALL)
def test_every_verb_has_help_with_an_example_of_itself(name: str, syncd: Syncd) -> None:
    result = syncd(*name.split()[1:], "--help")
    assert (result.code, result.err) == (0, "")
    _, _, examples = result.out.partition("Examples:\n")
    typed = [line.strip() for line in examples.splitlines()[::2]]
    assert typed
    assert all(line.startswith(name) for line in typed), typed


def test_the_help_lists_the_exit_codes_line_by_line(syncd: Syncd) -> None:
    lines = syncd("--help").out.splitlines()
    first = lines.index("  Exit codes:")
    assert [line.split()[0] for line in lines[first + 1 : first + 9]] == list("01234567")


@pytest.mark.parametrize("name", ALL)
def test_every_example_is_a_command_line_that_is_accepted(name: str) -> None:
    command = ALL[name]
    assert isinstance(command, Verb | Verbs)
    for typed, _ in command.examples:
        words = typed.split(" > ")[0].split()[1:]
        _parse(group, words)


def _parse(command: click.Command, words: list[str]) -> None:
    context = command.make_context("syncd", list(words), resilient_parsing=False)
    rest = [*context._protected_args, *context.args]
    if isinstance(command, Verbs) and rest:
        found = command.get_command(context, rest[0])
        assert found is not None, rest
        _parse(found, rest[1:])


@pytest.mark.parametrize("name", [name for name in ALL if " " in name])
def test_every_verb_says_in_one_line_what_it_is_for(name: str) -> None:
    told = ALL[name].get_short_help_str(80 - len("  history  "))
    assert told
    assert not told.endswith("...")


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["plan", "--help"]])
def test_help_and_version_import_nothing_heavy(args: list[str]) -> None:
    script = (
        "import sys\n"
        "from syncd.cli import execute\n"
        f"code = execute({args!r})\n"
        "heavy = {'sqlalchemy', 'pydantic', 'httpx', 'alembic', 'jinja2', 'rich', 'structlog', "
        "'ssl'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=program.environment(),
    )
    assert done.stderr == "[]\n"


READING = [
    "status",
    "status --check",
    "status --json",
    "history",
    "history --json",
    "held",
    "held --json",
    "link list",
    "link list --json",
    "cycles",
    "cycles --json",
    "cycles c1",
    "cycles c1 --json",
]
FULL = ["sqlalchemy", "alembic", "asyncio", "ssl", "structlog", "rich"]
"""What a verb that only reads needs only where the store is no SQLite file that is up to date."""

NEVER = ["httpx", "phonenumbers", "apscheduler", "jinja2", "starlette", "syncd.engine"]
NEVER += ["syncd.providers", "syncd.notifications", "syncd.scheduler", "syncd.observability.page"]


@pytest.fixture(scope="module")
def a_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and a store in which a cycle has run."""
    folder = tmp_path_factory.mktemp("read")
    config = '[store]\nurl = "sqlite:///t.db"\n[links.clinic.ghl]\nlocation_id = "loc-1"\n'
    (folder / "config.toml").write_text(config, encoding="utf-8")
    engine = open_engine(f"sqlite:///{folder}/t.db")
    migrate.check(engine, may_create=True)
    with Store(engine, SystemClock()) as store, store.link("clinic").begin() as writing:
        write_everything(writing)
    return folder


def write_everything(writing: SqlTransaction) -> None:
    """A row of everything that reading verbs show."""
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    shown = Appointment(title="A", start=now, end=now)
    (pair,) = writing.save_pairs([Pair(ghl_id="g1", hubspot_id="501", ghl=shown, hubspot=shown)])
    row = CycleRow(cycle="c1", kind="full", started_at=now, finished_at=now, outcome="ok")
    writing.save_cycle(row)
    writing.replace_holds([Hold(ghl_id="g2", reason="no_contact", detail="none")], judged=[])
    entry = HistoryEntry(
        at=now,
        cycle="c1",
        side=Side.GHL,
        ghl_id="g1",
        hubspot_id="501",
        action="update",
        field="title",
        after="A",
        pair_key=pair.key,
    )
    writing.add_history([entry])


def imported(folder: Path, verbs: list[str], unwanted: list[str]) -> dict[str, list[str]]:
    """Which of some modules verbs import that run one after another in a pipe, by verb."""
    script = (
        "import sys\n"
        "from syncd.cli import execute\n"
        f"for verb in {verbs!r}:\n"
        "    execute(verb.split())\n"
        f"    found = [each for each in {unwanted!r} if each in sys.modules]\n"
        "    print((verb, found), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=program.environment(),
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("(")]
    return dict(map(ast.literal_eval, lines))


def test_verbs_that_only_read_import_what_they_use(a_store: Path) -> None:
    verbs = [*READING, "why 501", "why 501 --json", "why g2 --json", "history 501"]
    assert imported(a_store, verbs, [*NEVER, *FULL]) == {verb: [] for verb in verbs}


def test_where_the_store_is_not_there_they_know_no_vendor(tmp_path: Path) -> None:
    config = '[store]\nurl = "sqlite:///t.db"\n[links.clinic.ghl]\nlocation_id = "loc-1"\n'
    (tmp_path / "config.toml").write_text(config, encoding="utf-8")
    assert imported(tmp_path, READING, NEVER) == {verb: [] for verb in READING}


def test_version_is_that_of_the_package(syncd: Syncd) -> None:
    assert syncd("--version").out == f"syncd {__version__}\n"


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = program.run("--version", cwd=tmp_path, env=program.environment())
    assert done.stdout == f"syncd {__version__}\n"


def test_help_lists_the_verbs_in_their_order(syncd: Syncd) -> None:
    lines = syncd("--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines[: len(PLACES)]] == list(PLACES)


def test_what_resolves_a_held_record_is_a_verb_of_ours() -> None:
    commands = [each.split() for remedy in REMEDIES.values() for each in remedy.commands]
    assert {program for program, *_ in commands} == {"syncd"}
    assert {verb for _, verb, *_ in commands} <= set(PLACES)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["pln"], "did you mean 'plan'?"),
        (["--sync-no"], "--sync-now"),
        (["--sync-now", "plan"], "--sync-now takes no verb"),
        (["--json", "held"], "`syncd held --json`"),
        (["--dry-run"], "goes with --sync-now"),
        (["--link", "a"], "goes with --sync-now"),
        (["history", "--limit", "-1"], "--limit"),
        (["sandbox", "--timezone", "Nowhere/Town"], "no such time zone"),
        (["db", "upgrad"], "did you mean 'upgrade'?"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(
    args: list[str], told: str, syncd: Syncd
) -> None:
    result = syncd(*args)
    assert result.code == 2
    assert told in result.err
    if "--json" not in args:
        assert result.out == ""


READERS = ["--sync-now", "plan", "held", "history", "setup", "db upgrade", "config show", "run"]


@pytest.mark.parametrize("line", READERS)
def test_a_wrong_configuration_ends_with_2_and_one_line_per_problem(
    line: str, syncd: Syncd, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(
        '[links.clinic.ghl]\nlocation_id = "loc-1"\nlocaton = 1\n[schedule]\npoll_interval = "x"\n'
    )
    result = syncd(*line.split())
    assert (result.code, result.out) == (2, "")
    problems = result.err.splitlines()
    assert len(problems) == 2
    assert any("locaton" in p and "location_id" in p for p in problems)
    assert any("poll_interval" in p for p in problems)


@pytest.mark.parametrize("line", READERS)
def test_no_configuration_at_all_ends_with_2(line: str, syncd: Syncd) -> None:
    result = syncd(*line.split())
    assert (result.code, result.out) == (2, "")
    assert "no configuration found" in result.err


def test_stdout_stays_empty_where_the_configuration_is_wrong(syncd: Syncd, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("links = 3\n")
    result = syncd("--sync-now")
    assert (result.code, result.out) == (2, "")


SILENT = {"run", "sandbox", "help", "completion", "config init"}
"""Verbs that report nothing when they end."""


def test_every_verb_that_reports_takes_json() -> None:
    plain = {
        name.removeprefix("syncd ")
        for name, command in ALL.items()
        if isinstance(command, Verb) and all("--json" not in each.opts for each in command.params)
    }
    assert plain == SILENT


@pytest.mark.parametrize("verb", ["--sync-now", "plan", "status", "held", "history", "doctor"])
def test_with_json_what_ends_before_a_report_is_one_object(
    verb: str, syncd: Syncd, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("links = 3\n")
    result = syncd(verb, "--json")
    told = json.loads(result.out)
    assert (told["version"], told["exit_code"], result.code) == (1, 2, 2)
    assert told.keys() == {"version", "exit_code", "problems"}
    assert any(each.startswith("links = 3: accepted: ") for each in told["problems"])


@pytest.mark.parametrize(
    "args",
    [
        ["--config", "named.toml", "config", "show"],
        ["config", "show", "--config", "named.toml"],
        ["--config", "other.toml", "config", "show", "--config", "named.toml"],
    ],
)
def test_the_configuration_may_be_named_before_and_after_the_verb(
    args: list[str], syncd: Syncd, tmp_path: Path
) -> None:
    (tmp_path / "named.toml").write_text('[links.clinic.ghl]\nlocation_id = "the-named-one"\n')
    result = syncd(*args)
    assert result.code == 0
    assert 'location_id = "the-named-one"' in result.out


def test_a_link_that_is_not_configured_is_wrong_usage(syncd: Syncd, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[links.clinic.ghl]\nlocation_id = "loc-1"\n')
    result = syncd("--sync-now", "--json", "--link", "clinc")
    assert result.code == 2
    assert "did you mean 'clinic'?" in result.err
    assert "did you mean 'clinic'?" in json.loads(result.out)["problems"][0]


def test_a_bug_ends_with_1_its_traceback_in_the_log_and_one_line(
    syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("the cause")

    monkeypatch.setattr("syncd.cli.sync_now.sync", broken)
    result = syncd("--sync-now")
    assert (result.code, result.out) == (1, "")
    assert "Traceback" in result.err
    assert "RuntimeError: the cause" in result.err
    last = result.err.splitlines()[-1]
    assert last == "syncd: unexpected fault (RuntimeError); the log has the traceback"


def test_an_interrupt_ends_as_a_shell_expects(
    syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncd.cli.sync_now.sync", interrupted)
    result = syncd("--sync-now")
    assert (result.code, result.out) == (130, "")
    assert "interrupted" in result.err


@pytest.mark.parametrize("args", [("-v", "held"), ("held", "-v"), ("held", "--log-level", "debug")])
def test_the_log_level_stands_before_the_verb_or_after_it(
    args: tuple[str, ...], syncd: Syncd, a_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def opened(_: object) -> None:
        seen.append(log_level())
        raise OSError

    monkeypatch.setattr("syncd.cli.session.open_reader", opened)
    assert syncd(*args, "--config", str(a_store / "config.toml")).code == 2
    assert seen == ["debug"]


def test_two_log_levels_are_wrong_usage(syncd: Syncd) -> None:
    assert (syncd("-q", "held", "-v").code, syncd("-v", "help", "-v").code) == (2, 0)


@pytest.mark.parametrize(
    ("args", "usage"),
    [
        (["retry", "nobody"], False),
        (["kick"], False),
        (["plan", "--link", "clinc"], False),
        (["undo"], True),
        (["plan", "--nope"], True),
    ],
)
def test_only_wrong_usage_is_answered_with_the_usage(
    args: list[str], usage: bool, syncd: Syncd, a_store: Path
) -> None:
    result = syncd(*args, "--config", str(a_store / "config.toml"))
    assert (result.code, "Usage:" in result.err) == (2, usage)


def test_help_is_what_the_verbs_say_themselves(syncd: Syncd) -> None:
    assert syncd("help").out == syncd("--help").out
    assert syncd("help", "link", "pause").out == syncd("link", "pause", "--help").out
    assert "did you mean 'pause'?" in syncd("help", "link", "paus").err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("syncd pla", ["plan"]),
        ("syncd plan --link ", ["clinic"]),
        ("syncd link pause cl", ["clinic"]),
        ("syncd retry ", ["g2"]),
        ("syncd undo --cycle ", ["c1"]),
        ("syncd help link re", ["resume", "remove"]),
        ("syncd --config nowhere.toml plan --link ", []),
    ],
)
def test_a_shell_completes_verbs_links_ids_and_cycles(
    words: str, offered: list[str], a_store: Path
) -> None:
    typed = words.split(" ")
    asked = {
        "_SYNCD_COMPLETE": "zsh_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(typed) - 1),
    }
    done = program.run(cwd=a_store, env=program.environment() | asked)
    assert (done.stdout.splitlines()[1::3], done.stderr) == (offered, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_each_shell_asks_syncd(shell: str, syncd: Syncd) -> None:
    told = syncd("completion", shell)
    assert (told.code, told.err) == (0, "")
    assert f"_SYNCD_COMPLETE={shell}_complete" in told.out
