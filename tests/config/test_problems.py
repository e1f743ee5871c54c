from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config import load, toml
from syncd.config.key_tree import known_keys
from syncd.errors import ConfigError

Refused = Callable[..., tuple[str, ...]]

LINK = '[links.clinic.ghl]\nlocation_id = "loc-1"\n'
TOKEN = "pit-00000000-1111-2222-3333-444444444444"


def test_an_unknown_key_names_the_nearest_known_one(refused: Refused) -> None:
    (line,) = refused(f'{LINK}[links.clinic.sync]\nconflikt = "ghl"\n')
    assert line.startswith(
        'links.clinic.sync.conflikt = "ghl": unknown key; did you mean conflict (accepted: newest'
    )


def test_an_unknown_table_names_the_nearest_known_one(refused: Refused) -> None:
    assert refused("[schedul]\nx = 1\n") == (
        "schedul = { x = 1 }: unknown key; did you mean schedule?",
    )


def test_a_key_in_the_wrong_table_names_the_right_one(refused: Refused) -> None:
    assert refused(f'[links.clinic]\npast = "3d"\n{LINK}') == (
        'links.clinic.past = "3d": unknown key here; it belongs in [links.clinic.sync]',
    )


def test_a_key_that_resembles_nothing_names_what_is_known_there(refused: Refused) -> None:
    assert refused("[logging]\nqqq = 1\n") == (
        "logging.qqq = 1: unknown key; known here: format, level",
    )


def test_the_name_of_a_link_is_no_key_of_its_table(refused: Refused) -> None:
    (line,) = refused(f'[links.clinic]\nname = "x"\n{LINK}')
    assert line.startswith('links.clinic.name = "x": unknown key')


def test_a_missing_key_says_what_is_expected(refused: Refused) -> None:
    assert refused("[links.clinic.ghl]\n") == (
        "links.clinic.ghl.location_id: missing; accepted: an id, without white space",
    )


@pytest.mark.parametrize("name", ["VendorAccounts", "my-clinic", '"a b"', '""'])
def test_a_link_with_a_wrong_name_is_refused(refused: Refused, name: str) -> None:
    (line,) = refused(f'[links.{name}.ghl]\nlocation_id = "x"\n')
    assert line.endswith(": wrong key; accepted: a name made of a-z, 0-9 and _")


def test_a_wrong_status_in_a_table_names_the_six(refused: Refused) -> None:
    (line,) = refused('[defaults.status.to_hubspot]\nshown = "X"\n')
    assert line == (
        'defaults.status.to_hubspot.shown = "X": wrong key; '
        "accepted: new | confirmed | showed | noshow | cancelled | invalid"
    )


@pytest.mark.parametrize(
    "secret",
    [
        f'{LINK}token = "{TOKEN}"',
        f'{LINK}token = {{ env = "{TOKEN}" }}',
        f'{LINK}token = {{ value = "{TOKEN}" }}',
        f'{LINK}tokn = "hush-hush"',
        f'{LINK}api_key = "hush-hush"',
        f'{LINK}token = {{ env = "hush hush" }}',
        f'{LINK}default_calendar = "{TOKEN} x"',
        '[store]\nurl = "mysql://me:hush@db.example.com/x"',
        '[store]\nurl = "postgres://me:hu@/sh@db.example.com/x"',
        '[store]\nurl = "mysql://db.example.com/x?password=hush"',
        '[defaults.hubspot]\nbase_url = "https://me:hush@api.example.com"',
    ],
)
def test_no_secret_shows_in_a_problem(refused: Refused, secret: str) -> None:
    (line,) = refused(secret)
    for word in (TOKEN, "hush", "sh@"):
        assert word not in line


def test_a_long_value_is_cut(refused: Refused) -> None:
    (line,) = refused(f'[logging]\nlevel = "{"x" * 5000}"\n')
    assert len(line) < 200


@pytest.mark.parametrize("control", ["\\n", "\\u001b", "\\u0000"])
def test_a_problem_stays_one_line_whatever_the_value(refused: Refused, control: str) -> None:
    (line,) = refused(f'[logging]\nlevel = "a{control}b"\n"c{control}d" = 1\n')[:1]
    assert line.isprintable()


SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["both", "newest", "30d", "sqlite:///x.db", "https://api.example.com", ""])
)
KEYS = st.sampled_from(sorted({key for path in known_keys(["clinic"]) for key in path})) | st.text()
TABLES = st.recursive(
    st.dictionaries(KEYS, SCALARS, max_size=4),
    lambda inner: st.dictionaries(KEYS, inner | st.lists(inner | SCALARS, max_size=3), max_size=4),
    max_leaves=20,
)


@given(TABLES, st.dictionaries(KEYS, TABLES, max_size=2))
def test_any_file_gives_settings_or_problems_of_one_line_each(
    tmp_path_factory: pytest.TempPathFactory, top: dict[str, object], links: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    table = {**top, "links": links} if links else top
    lines = (f"{toml.key(key)} = {toml.value(value)}\n" for key, value in table.items())
    (folder / "config.toml").write_text("".join(lines), encoding="utf-8")
    problems: tuple[str, ...] = ()
    try:
        load(None, {}, folder)
    except ConfigError as error:
        problems = error.problems or ("an error without a problem\n",)
    assert [problem for problem in problems if not problem.isprintable()] == []
