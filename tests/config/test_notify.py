"""Who is told: for all links at once, or for one of them, and never in plain sight."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from syncd.config import Settings, changes, load, loading, resolve_address, show
from syncd.errors import ConfigError

LINKS = """
[links.clinic.ghl]
location_id = "loc-1"
[links.praxis.ghl]
location_id = "loc-2"
[links.praxis.hubspot]
token = { env = "OTHER" }
"""
SECRET = "https://hooks.example.com/T0/B0/hush"

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str, env: Mapping[str, str] | None = None) -> Settings:
        (tmp_path / "config.toml").write_text(text + LINKS, encoding="utf-8")
        return load(tmp_path / "config.toml", env or {}, tmp_path)

    return read


def address(settings: Settings, name: str, env: Mapping[str, str] | None = None) -> str:
    return resolve_address(settings.links[name], "webhook", env or {}).get_secret_value()


def test_nobody_is_told_unless_it_is_configured(read: Read) -> None:
    assert read("").links["clinic"].notify.channels == ()


def test_what_stands_in_notify_holds_for_every_link_and_a_link_has_the_last_word(
    read: Read,
) -> None:
    settings = read(
        f'[notify]\nwebhook = "{SECRET}"\nheld_longer_than = "2h"\n'
        '[links.praxis.notify]\nwebhook = ""\ncommand = ["page"]\n'
    )
    clinic, praxis = settings.links["clinic"].notify, settings.links["praxis"].notify
    assert (clinic.channels, praxis.channels) == (("webhook",), ("command",))
    assert address(settings, "clinic") == SECRET
    assert clinic.held_longer_than == praxis.held_longer_than


def test_the_address_may_be_kept_elsewhere(read: Read, tmp_path: Path) -> None:
    kept = tmp_path / "hook"
    kept.write_text(f"{SECRET}\n")
    kept.chmod(0o600)
    named = read('[notify]\nwebhook = { env = "SYNCD_HOOK" }\n', {"SYNCD_HOOK": SECRET})
    assert address(named, "clinic", {"SYNCD_HOOK": SECRET}) == SECRET
    assert address(read('[notify]\nwebhook = { file = "hook" }\n'), "clinic") == SECRET
    with pytest.raises(ConfigError, match=r"notify\.webhook: the environment variable SYNCD_HOOK"):
        address(named, "clinic")


def test_the_environment_may_give_the_address(read: Read) -> None:
    settings = read("", {"SYNCD_NOTIFY__WEBHOOK": SECRET})
    assert address(settings, "praxis") == SECRET


def test_a_command_is_a_list_or_one_text_and_its_path_is_relative_to_the_file(
    read: Read, tmp_path: Path
) -> None:
    listed = read('[notify]\ncommand = ["bin/page", "--to", "on call"]\n')
    written = read("[notify]\ncommand = \"bin/page --to 'on call'\"\n")
    wanted = (str(tmp_path / "bin/page"), "--to", "on call")
    assert listed.links["clinic"].notify.command == wanted
    assert written.links["clinic"].notify.command == wanted


def test_the_address_is_never_shown(read: Read) -> None:
    before, after = read(""), read(f'[notify]\nwebhook = "{SECRET}"\n')
    for told in (show(after), repr(after), "\n".join(changes(before, after))):
        assert "hush" not in told


@pytest.mark.parametrize(
    "given", ['"ftp://hooks.example.com/hush"', '"hush"', '{ env = "A", file = "hush" }']
)
def test_a_wrong_address_is_refused_without_being_told(read: Read, given: str) -> None:
    with pytest.raises(ConfigError, match=r"notify\.webhook") as refused:
        read(f"[notify]\nwebhook = {given}\n")
    assert "hush" not in str(refused.value)


# --- addresses of Apprise

SLACK, NTFY = "slack://T0/B0/hush", "ntfys://hush"


def channels(settings: Settings, name: str) -> tuple[str, ...]:
    return settings.links[name].notify.channels


def test_each_address_of_apprise_is_a_channel_and_may_be_kept_elsewhere(
    read: Read, tmp_path: Path
) -> None:
    kept = tmp_path / "ops"
    kept.write_text(f"{SLACK}\n")
    kept.chmod(0o600)
    env = {"SYNCD_OPS": NTFY}
    settings = read(
        f'[notify]\nurls = ["{SLACK}", {{ env = "SYNCD_OPS" }}, {{ file = "ops" }}]\n'
        "[links.praxis.notify]\nurls = []\n",
        env,
    )
    names = ("urls[0]", "env:SYNCD_OPS", f"file:{kept}")
    assert (channels(settings, "clinic"), channels(settings, "praxis")) == (names, ())
    link = settings.links["clinic"]
    found = [resolve_address(link, name, env).get_secret_value() for name in names]
    assert found == [SLACK, NTFY, SLACK]
    kept.write_text("hush")
    with pytest.raises(ConfigError, match=r"notify\.urls: .* has no address") as refused:
        resolve_address(link, names[2], env)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("given", [NTFY, f'["{NTFY}"]', '{ env = "OPS" }', '[{ env = "OPS" }]'])
def test_one_address_needs_no_brackets_and_may_come_from_the_environment(
    read: Read, given: str
) -> None:
    settings = read("", {"SYNCD_NOTIFY__URLS": given})
    (name,) = channels(settings, "clinic")
    found = resolve_address(settings.links["clinic"], name, {"OPS": NTFY})
    assert found.get_secret_value() == NTFY


def test_no_address_of_apprise_is_ever_shown(read: Read) -> None:
    before, after = read(""), read(f'[notify]\nurls = ["{SLACK}", "{NTFY}"]\n')
    for told in (show(after), repr(after), "\n".join(changes(before, after))):
        assert "hush" not in told
    assert 'urls = ["***", "***"]' in show(after)


@pytest.mark.parametrize(
    "given",
    [
        'urls = ["hush"]',
        'urls = ["slack://hu sh"]',
        'urls = [""]',
        'urls = ["ntfys://hush", 7]',
        'urls = [{ env = "A", file = "hush" }]',
        'urls = [{ url = "ntfys://hush", env = "A" }]',
        f'url = ["{SLACK}"]',
        f'addresses = ["{SLACK}"]',
    ],
)
def test_a_wrong_address_of_apprise_is_refused_without_being_told(read: Read, given: str) -> None:
    with pytest.raises(ConfigError, match=r"notify\.\w+") as refused:
        read(f"[notify]\n{given}\n")
    assert "hush" not in str(refused.value)


def test_without_apprise_an_address_is_refused_with_what_to_install(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    read("")
    with pytest.raises(ConfigError, match=r"pip install 'syncd\[notify\]'") as refused:
        read(f'[notify]\nurls = ["{NTFY}"]\n')
    assert len(refused.value.problems) == 1
