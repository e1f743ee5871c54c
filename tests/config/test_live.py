"""The keys of `[live]` and `[apps.*]`, and the secrets that prove a delivery."""

from collections.abc import Callable
from pathlib import Path

import pytest

from syncd import config
from syncd.bootstrap.fleet import digest
from syncd.config import Settings, resolve_client_secret, resolve_hook_secret
from syncd.errors import ConfigError

Loaded = Callable[..., Settings]

LINK = '[links.clinic.ghl]\nlocation_id = "l"\n'


def test_nothing_listens_unless_it_is_asked_for(loaded: Loaded) -> None:
    live = loaded("").live
    assert (live.address, live.public_url) == (None, "")
    assert loaded('[live]\nlisten = ":8788"').live.address == ("", 8788)


def test_the_public_address_is_kept_as_it_is_signed(loaded: Loaded) -> None:
    given = loaded('[live]\npublic_url = "https://Sync.Example.com/syncd/"').live.public_url
    assert given == "https://Sync.Example.com/syncd"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[live]\nlisten = "nowhere"', r"live\.listen = \"nowhere\": .*host:port"),
        ('[live]\npublic_url = "sync.example.com"', r"live\.public_url = .*https://sync"),
        ('[live]\npublic_url = "https://a.example/?b=c"', r"live\.public_url"),
        ('[apps.highlevel]\nwebhook_key = "AAAA"', r"webhook_key.*not an Ed25519 key"),
        ('[apps.highlevel]\nclient_secret = "hush"', r"client_secret = \*\*\*: "),
        ('[apps.hubspot]\nclient_ids = "a"', "did you mean client_id"),
        ("[apps.hubspot]\njournal = 7", r"apps\.hubspot\.journal"),
        (LINK + 'hook_secret = { env = "A", file = "b" }', r"hook_secret = \*\*\*: .*one of them"),
    ],
)
def test_what_is_wrong_is_named(loaded: Loaded, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        loaded(text)
    assert "hush" not in str(caught.value)


def test_the_app_of_a_client_id_is_what_stands_before_the_dash(loaded: Loaded) -> None:
    app = loaded('[apps.highlevel]\nclient_id = "66f0c0ffee00000000000001-m1abcdef"').apps.highlevel
    assert app.app_id == "66f0c0ffee00000000000001"


def test_secrets_are_read_from_where_they_are_kept(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("hush-1\n")
    (tmp_path / "hook").chmod(0o600)
    given = loaded(
        '[apps.hubspot]\nclient_secret = { file = "hook" }\n'
        f'{LINK}hook_secret = {{ file = "hook" }}'
    )
    for secret in (
        resolve_hook_secret(given.links["clinic"], {}),
        resolve_client_secret(given.apps, "hubspot", {}),
    ):
        assert secret is not None
        assert secret.get_secret_value() == "hush-1"


def test_a_secret_overrides_from_the_environment(loaded: Loaded) -> None:
    env = {
        "SYNCD_LINKS__CLINIC__GHL__HOOK_SECRET__ENV": "HOOK",
        "SYNCD_APPS__HUBSPOT__CLIENT_SECRET__ENV": "APP",
    }
    given = loaded(f'{LINK}hook_secret = {{ file = "hook" }}', env)
    assert given.links["clinic"].ghl.hook_secret.place == ("env", "HOOK")
    assert given.apps.hubspot.client_secret.place == ("env", "APP")


def test_an_app_that_is_not_there_needs_no_secret(loaded: Loaded) -> None:
    apps = loaded("").apps
    assert resolve_client_secret(apps, "hubspot", {}) is None
    found = resolve_client_secret(apps, "hubspot", {"HUBSPOT_CLIENT_SECRET": "s"})
    assert found is not None
    with pytest.raises(ConfigError, match=r"apps\.hubspot\.client_secret: .*HUBSPOT_CLIENT"):
        resolve_client_secret(loaded('[apps.hubspot]\nclient_id = "x"').apps, "hubspot", {})
    assert resolve_hook_secret(loaded(LINK).links["clinic"], {}) is None


def test_what_is_shown_loads_again(loaded: Loaded) -> None:
    given = loaded(
        '[live]\nlisten = "127.0.0.1:1"\n[apps.hubspot]\nclient_id = "a"\nscopes = ["oauth"]\n'
        f'{LINK}hook_secret = {{ env = "HOOK" }}'
    )
    shown = config.show(given)
    assert "[apps.highlevel]" in shown
    assert loaded(shown) == given


def test_where_a_process_listens_is_its_own(loaded: Loaded) -> None:
    def of(live: str) -> str:
        return digest(loaded(f"[live]\n{live}\n{LINK}"))

    assert of('listen = "127.0.0.1:1"') == of("")
    assert of('relaxed_poll_interval = "9m"') != of("")
