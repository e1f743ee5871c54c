from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.config import LinkSettings, Settings, resolve_http_tokens, resolve_token
from syncd.errors import ConfigError

Loaded = Callable[..., Settings]


@pytest.fixture
def link(loaded: Loaded) -> Callable[[str], LinkSettings]:
    def act(reference: str) -> LinkSettings:
        text = f'[links.clinic.ghl]\nlocation_id = "l"\ntoken = {reference}\n'
        return loaded(text).links["clinic"]

    return act


Link = Callable[[str], LinkSettings]


def test_a_token_is_read_from_a_variable_and_hides_itself(link: Link) -> None:
    token = resolve_token(link('{ env = "A" }'), "ghl", {"A": " pit-secret\n"})
    assert token.get_secret_value() == "pit-secret"
    assert "pit-secret" not in repr(token)


def test_each_side_has_its_own_token(link: Link) -> None:
    env = {"A": "one", "HUBSPOT_TOKEN": "two"}
    assert resolve_token(link('{ env = "A" }'), "hubspot", env).get_secret_value() == "two"


def test_a_token_is_read_from_a_file_that_only_its_owner_reads(link: Link, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("pit-secret\n")
    file.chmod(0o600)
    assert resolve_token(link('{ file = "token" }'), "ghl", {}).get_secret_value() == "pit-secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_file_that_others_can_read_is_refused(
    link: Link, tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "token"
    file.write_text("pit-secret\n")
    file.chmod(mode)
    with pytest.raises(ConfigError, match=rf"links\.clinic\.ghl\.token: .*chmod 600 {file}"):
        resolve_token(link('{ file = "token" }'), "ghl", {})


def test_a_token_is_read_from_a_systemd_credential_whatever_its_mode(
    link: Link, tmp_path: Path
) -> None:
    (tmp_path / "ghl-token").write_text("pit-secret\n")
    (tmp_path / "ghl-token").chmod(0o444)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    token = resolve_token(link('{ credential = "ghl-token" }'), "ghl", env)
    assert token.get_secret_value() == "pit-secret"


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ('{ env = "MY_TOKEN" }', "MY_TOKEN"),
        ('{ file = "gone" }', "gone"),
        ('{ credential = "ghl-token" }', "ghl-token"),
    ],
)
def test_a_token_that_is_not_there_names_the_place(link: Link, reference: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        resolve_token(link(reference), "ghl", {})


def test_a_credential_that_is_not_among_the_credentials_names_the_file(
    link: Link, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"{tmp_path}/other cannot be read"):
        resolve_token(
            link('{ credential = "other" }'), "ghl", {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        )


@pytest.mark.parametrize("text", ["two words", "line\nbreak", "pit-ключ", "a\x00b"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(link: Link, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_token(link('{ env = "A" }'), "ghl", {"A": text})
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_variable_counts_as_missing(link: Link, text: str) -> None:
    with pytest.raises(ConfigError, match="A is not set"):
        resolve_token(link('{ env = "A" }'), "ghl", {"A": text})


def test_an_empty_file_is_refused(link: Link, tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o600)
    with pytest.raises(ConfigError, match="is empty"):
        resolve_token(link('{ file = "token" }'), "ghl", {})


@pytest.mark.parametrize(
    "reference", ["{}", '{ env = "A", file = "b" }', '"A"', "5", '{ credential = "../up" }']
)
def test_a_reference_names_exactly_one_place(link: Link, reference: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        link(reference)


# --- the daemon's own listener


@pytest.mark.parametrize(
    ("http", "asks"),
    [
        ("", False),
        ('listen = ""\ntoken = { env = "A" }', False),
        ('listen = "[::1]:9"', False),
        ('listen = "127.0.0.1:9"\ntoken = { env = "A" }', True),
        ('listen = "0.0.0.0:9"', True),
        ('listen = ":9"', True),
        ('listen = "status.example.com:9"', True),
    ],
)
def test_a_listener_that_others_can_reach_asks_for_its_token(
    loaded: Loaded, http: str, asks: bool
) -> None:
    assert loaded(f"[http]\n{http}").http.asks_for_token is asks


def test_the_listeners_token_is_kept_as_the_others_are(loaded: Loaded, tmp_path: Path) -> None:
    http = loaded('[http]\nlisten = ":9"').http
    token, reads = resolve_http_tokens(http, {"STATUS_TOKEN": "let-me-in"})
    assert (token and token.get_secret_value(), reads) == ("let-me-in", None)
    with pytest.raises(ConfigError, match=r"http\.token: .*STATUS_TOKEN is not set"):
        resolve_http_tokens(http, {})
    (tmp_path / "door").write_text("let-me-in")
    (tmp_path / "door").chmod(0o600)
    kept = loaded('[http]\ntoken = { file = "door" }').http
    token, _ = resolve_http_tokens(kept, {})
    assert token is not None
    assert token.get_secret_value() == "let-me-in"


def test_a_token_that_only_reads_stands_beside_the_one_that_decides(loaded: Loaded) -> None:
    env = {"A": "decides", "B": "reads"}
    both = loaded('[http]\ntoken = { env = "A" }\nread_token = { env = "B" }').http
    found = [each and each.get_secret_value() for each in resolve_http_tokens(both, env)]
    assert found == ["decides", "reads"]
    reading = loaded('[http]\nlisten = ":9"\ntoken = ""\nread_token = { env = "B" }').http
    assert [each and each.get_secret_value() for each in resolve_http_tokens(reading, env)] == [
        None,
        "reads",
    ]
    with pytest.raises(ConfigError, match=r"http\.read_token: it is the same as http\.token"):
        resolve_http_tokens(both, {"A": "one", "B": "one"})
    assert resolve_http_tokens(loaded('[http]\ntoken = ""').http, {}) == (None, None)


@pytest.mark.parametrize(
    "http",
    [
        'token = "secret"',
        'read_token = { env = "A", file = "b" }',
        'public_url = "x.example.com"',
        'public_url = "https://x.example.com/page"',
    ],
)
def test_what_is_no_token_and_no_address_of_the_page_is_refused(loaded: Loaded, http: str) -> None:
    with pytest.raises(ConfigError, match=rf"http\.{http.split(maxsplit=1)[0]}.*accepted"):
        loaded(f"[http]\n{http}")


SHARED = """
include = ["links.d/*.toml"]
[defaults.ghl]
token = {{ {ghl} }}
[defaults.hubspot]
token = {{ {hubspot} }}
[defaults.notify]
urls = [{{ env = "MAIL_{{link}}" }}]
[links.west.ghl]
location_id = "l-1"
[links.west.hubspot]
token = {{ env = "OF_WEST" }}
"""


def test_the_defaults_name_a_place_for_each_link(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "links.d").mkdir()
    east = tmp_path / "links.d" / "east_2.toml"
    east.write_text('[links.east_2.ghl]\nlocation_id = "l-2"\n')
    ghl, hubspot = 'file = "tokens/{link}.ghl"', 'env = "HUBSPOT_{link}_TOKEN"'
    links = loaded(SHARED.format(ghl=ghl, hubspot=hubspot)).links
    places = {
        name: (link.ghl.token.place, link.hubspot.token.place) for name, link in links.items()
    }
    assert places == {
        "west": (("file", str(tmp_path / "tokens" / "west.ghl")), ("env", "OF_WEST")),
        "east_2": (
            ("file", str(tmp_path / "tokens" / "east_2.ghl")),
            ("env", "HUBSPOT_EAST_2_TOKEN"),
        ),
    }
    assert [url.env for url in links["east_2"].notify.urls] == ["MAIL_EAST_2"]


def test_a_variable_lays_a_place_for_each_link_over_the_file(
    loaded: Loaded, refused: Callable[..., tuple[str, ...]]
) -> None:
    variable = {"SYNCD_DEFAULTS__GHL__TOKEN__CREDENTIAL": "ghl_{link}"}
    assert loaded("", variable).links["clinic"].ghl.token.place == ("credential", "ghl_clinic")
    wrong = '[defaults.ghl]\ntoken = { env = "{name}" }\n[links.a.ghl]\nlocation_id = "1"\n'
    assert len(refused(f'{wrong}[links.b.ghl]\nlocation_id = "2"\n')) == 1


@pytest.mark.parametrize("place", ["ghl_clinic", "ghl/clinic"])
def test_a_folder_of_credentials_is_read_as_systemd_and_as_a_person_names_it(
    link: Link, tmp_path: Path, place: str
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("pit-1\n")
    token = resolve_token(
        link('{ credential = "ghl_clinic" }'),
        "ghl",
        {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    )
    assert token.get_secret_value() == "pit-1"
