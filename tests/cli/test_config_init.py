"""`syncd config init`: with options, and asked at a terminal."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.cli import config_init, syncd
from syncd.config import load
from syncd.sandbox import SandboxSettings, empty, serve

Syncd = Callable[..., Any]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[VendorAccounts]:
    """Two vendors on loopback, an empty folder, and no token in the environment."""
    with serve(empty(SystemClock().now, SandboxSettings())) as server:
        yield VendorAccounts(server, tmp_path)


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody can be asked, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config_init, "at_terminal", lambda: True)


def addresses(clinic: VendorAccounts) -> list[str]:
    """The options that lead to the sandbox."""
    server = clinic.server
    return ["--ghl-url", server.ghl_url, "--hubspot-url", server.hubspot_url]


def answered(clinic: VendorAccounts, *lines: str) -> Any:
    """The command with these lines typed."""
    args = ["config", "init", *addresses(clinic)]
    return CliRunner().invoke(syncd, args, input="\n".join(lines) + "\n", standalone_mode=False)


def test_a_file_is_written_from_options_alone(
    bare: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GHL_TOKEN", bare.world.settings.ghl_token)
    monkeypatch.setenv("HUBSPOT_TOKEN", bare.world.settings.hubspot_token)
    result = syncd(
        *("config", "init", "--name", "annex", "--location", bare.ghl.id),
        *("--default-calendar", bare.calendar, *addresses(bare)),
    )
    assert result.code == 0, result.err
    assert "the token is accepted" in result.out
    assert "Next: syncd setup, then syncd plan" in result.out
    written = load(tmp_path / "config.toml").links["annex"]
    assert (written.ghl.location_id, written.ghl.default_calendar) == (bare.ghl.id, bare.calendar)
    assert f"#   {bare.calendar}  " in (tmp_path / "config.toml").read_text()
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0


def test_the_file_holds_every_key_as_a_comment(syncd: Syncd, tmp_path: Path) -> None:
    assert syncd("config", "init", "--location", "loc1", "--no-check").code == 0
    text = (tmp_path / "config.toml").read_text()
    assert "#poll_interval = " in text
    assert "#[defaults.fields]" in text


def test_no_file_is_overwritten(syncd: Syncd, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    result = syncd("config", "init", "--location", "loc1", "--no-check")
    assert result.code == 2
    assert "exists already: name a new file with --config" in result.err
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_without_a_terminal_the_location_has_to_be_said(syncd: Syncd, tmp_path: Path) -> None:
    result = syncd("config", "init")
    assert result.code == 2
    assert "--location" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_token_on_the_command_line_is_refused_and_not_repeated(
    syncd: Syncd, tmp_path: Path
) -> None:
    result = syncd("config", "init", "--location", "loc1", "--ghl-token", "pit-canary-4711")
    assert result.code == 2
    assert "env:NAME, file:PATH or credential:NAME" in result.err
    assert "canary" not in result.out + result.err
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_no_value_writes_nothing(syncd: Syncd, tmp_path: Path) -> None:
    result = syncd("config", "init", "--name", "My Clinic", "--location", "loc1", "--no-check")
    assert result.code == 2
    assert "a-z, 0-9 and _" in result.err
    assert list(tmp_path.iterdir()) == []


def test_refused_credentials_are_the_exit_code(
    bare: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GHL_TOKEN", "pit-wrong")
    monkeypatch.setenv("HUBSPOT_TOKEN", bare.world.settings.hubspot_token)
    result = syncd("config", "init", "--location", bare.ghl.id, *addresses(bare))
    assert result.code == 6
    assert "Fix the errors above, then: syncd doctor" in result.out
    assert (tmp_path / "config.toml").exists()


@pytest.mark.usefixtures("at_terminal")
def test_a_person_is_asked_and_pastes_both_tokens(bare: VendorAccounts, tmp_path: Path) -> None:
    ghl, hubspot = bare.world.settings.ghl_token, bare.world.settings.hubspot_token
    result = answered(bare, "", bare.ghl.id, ghl, "1", "2", hubspot)
    assert result.return_value == 0, result.output
    written = load(tmp_path / "config.toml").links["clinic"]
    calendars = list(bare.ghl.calendars)
    assert written.ghl.default_calendar
    assert set(written.ghl.calendars) < set(calendars)
    for name in ("clinic-highlevel-token", "clinic-hubspot-token"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert (tmp_path / "clinic-hubspot-token").read_text() == f"{hubspot}\n"
    assert ghl not in result.output + (tmp_path / "config.toml").read_text()


@pytest.mark.usefixtures("at_terminal")
def test_a_wrong_answer_can_be_given_again(bare: VendorAccounts, tmp_path: Path) -> None:
    ghl, hubspot = bare.world.settings.ghl_token, bare.world.settings.hubspot_token
    lines = ["", bare.ghl.id, "pit-wrong", "y", "", ghl, "9", "", "", hubspot]
    result = answered(bare, *lines)
    assert result.return_value == 0, result.output
    assert "Numbers from 1 to" in result.output
    assert load(tmp_path / "config.toml").links["clinic"].ghl.calendars == ()


@pytest.mark.usefixtures("at_terminal")
def test_either_token_that_is_refused_is_asked_for_again(
    bare: VendorAccounts, tmp_path: Path
) -> None:
    ghl, hubspot = bare.world.settings.ghl_token, bare.world.settings.hubspot_token
    first = ["My Clinic", "west", bare.ghl.id, hubspot, "y", bare.ghl.id, ghl, "", ""]
    result = answered(bare, *first, ghl, "y", "xyz", "y", hubspot)
    assert result.return_value == 0, result.output
    assert "a-z, 0-9 and _" in result.output
    assert "looks like a token of HubSpot, not of HighLevel: were the two swapped?" in result.output
    assert "looks like a token of HighLevel, not of HubSpot: were the two swapped?" in result.output
    assert "does not look like a token of HubSpot" in result.output
    assert "config.toml was written" in result.output
    assert "west-hubspot-token was written" in result.output
    assert (tmp_path / "west-hubspot-token").read_text() == f"{hubspot}\n"
    assert "hub_id = 24600001" in (tmp_path / "config.toml").read_text()
    assert not {ghl, hubspot} & set(result.output.split())


@pytest.mark.usefixtures("at_terminal")
def test_starting_over_keeps_the_old_file_under_another_name(
    bare: VendorAccounts, tmp_path: Path
) -> None:
    ghl, hubspot = bare.world.settings.ghl_token, bare.world.settings.hubspot_token
    answers = ["", bare.ghl.id, ghl, "", "", hubspot]
    for number in range(3):
        args = ["config", "init", *addresses(bare), *(["--replace"] if number else [])]
        typed = "\n".join(answers) + "\n"
        done = CliRunner().invoke(syncd, args, input=typed, standalone_mode=False)
        assert done.return_value == 0, done.output
        (tmp_path / "config.toml").write_text(f"# number {number}\n")
    before = ["config.toml.before", "config.toml.before1"]
    assert [(tmp_path / name).read_text() for name in before] == ["# number 0\n", "# number 1\n"]
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".")]
    (tmp_path / "config.toml").rename(tmp_path / "elsewhere.toml")
    (tmp_path / "config.toml").symlink_to("elsewhere.toml")
    refused = CliRunner().invoke(syncd, args, input=typed, standalone_mode=False)
    assert "not a plain file" in str(refused.exception)
    assert (tmp_path / "elsewhere.toml").read_text() == "# number 2\n"


@pytest.mark.usefixtures("at_terminal")
def test_a_person_connects_both_apps_instead_of_pasting(
    bare: VendorAccounts, tmp_path: Path
) -> None:
    result = answered(
        bare,
        "",
        bare.ghl.id,
        "connect",
        "app-1",
        "s3cret-ghl",
        "connect",
        "app-2",
        "s3cret-hs",
        "7",
    )
    assert result.return_value == 0, result.output
    assert "s3cret" not in result.output + (tmp_path / "config.toml").read_text()
    assert "Next: syncd connect highlevel" in result.output
    assert "Next: syncd connect hubspot" in result.output
    settings = load(tmp_path / "config.toml")
    link = settings.links["clinic"]
    assert (link.ghl.token.oauth, link.hubspot.token.oauth, link.hubspot.hub_id) == (True, True, 7)
    assert (settings.apps.highlevel.client_id, settings.apps.hubspot.client_id) == (
        ("app-1", "app-2")
    )
    for name in ("highlevel", "hubspot"):
        assert stat.S_IMODE((tmp_path / f"{name}-client-secret").stat().st_mode) == 0o600


def test_a_connection_needs_its_app_where_nobody_can_be_asked(syncd: Syncd, tmp_path: Path) -> None:
    words = ("config", "init", "--location", "loc1", "--hubspot-token", "connect")
    assert "--hubspot-client-id" in syncd(*words).err
    more = ("--hubspot-client-id", "app", "--hub-id", "7", "--no-check")
    assert syncd(*words, *more).code == 0
    assert load(tmp_path / "config.toml").links["clinic"].hubspot.token.oauth


def test_a_place_is_relative_to_the_file_that_names_it(
    bare: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", bare.world.settings.hubspot_token)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ghl").write_text(bare.world.settings.ghl_token)
    (tmp_path / "sub" / "ghl").chmod(0o600)
    words = ("--location", bare.ghl.id, "--ghl-token", "file:ghl", *addresses(bare))
    assert syncd("--config", "sub/config.toml", "config", "init", *words).code == 0
