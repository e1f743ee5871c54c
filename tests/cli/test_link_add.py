"""`syncd link add` and `link remove`: what they write, and that nothing is written halfway."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

from syncd.config import link_files, load

Syncd = Callable[..., Any]

MAIN = """\
include = ["links.d/*.toml"]

[defaults.ghl]
token = { file = "tokens/{link}.ghl" }

[defaults.hubspot]
token = { file = "tokens/{link}.hubspot" }
"""
HEAD = "name,location_id,hub_id,default_calendar,filter\n"


@pytest.fixture
def main(syncd: Syncd, tmp_path: Path) -> Path:
    """A configuration that has no link yet."""
    del syncd  # it moves into the folder
    file = tmp_path / "config.toml"
    file.write_text(MAIN)
    return file


def table(folder: Path, text: str | bytes) -> str:
    file = folder / "clients.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def kept(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in sorted((folder / "links.d").glob("*"))}


def test_the_first_link_is_added_and_loads(syncd: Syncd, main: Path) -> None:
    main.chmod(0o640)
    done = syncd(
        *("link", "add", "north", "--location", "loc-1", "--hub-id", "14800123"),
        *("--calendar", "cal-1", "--filter", "team=north", "--filter", "team=n"),
    )
    assert done.code == 0
    file = main.parent / "links.d" / "north.toml"
    assert str(file) in done.out
    assert str(main.parent / "tokens" / "north.ghl") in done.out
    link = load(main).links["north"]
    assert (link.ghl.location_id, link.ghl.default_calendar) == ("loc-1", "cal-1")
    assert (link.hubspot.hub_id, link.hubspot.filter) == (14800123, {"team": ("north", "n")})
    assert [each.stat().st_mode & 0o777 for each in (file, file.parent)] == [0o640, 0o750]


def test_an_existing_link_changes_only_when_asked_and_keeps_what_a_person_wrote(
    syncd: Syncd, main: Path
) -> None:
    assert syncd("link", "add", "north", "--location", "loc-1", "--filter", "team=n").code == 0
    file = main.parent / "links.d" / "north.toml"
    file.write_text(
        file.read_text().replace("loc-1", "loc-2  ").replace("loc-2  ", "loc-2")
        + "# mine: ask Ada first\n[links.north.sync] # also mine\npast = '7d'\n"
    )
    before = file.read_text()
    refused = syncd("link", "add", "north", "--location", "loc-3")
    assert (refused.code, file.read_text()) == (2, before)
    assert "--update" in refused.err
    assert syncd("link", "add", "north", "--location", "loc-3", "--dry-run", "--update").code == 0
    assert file.read_text() == before
    assert syncd("link", "add", "north", "--hub-id", "7", "--calendar", "c", "--update").code == 0
    after = load(main).links["north"]
    assert (after.ghl.location_id, after.ghl.default_calendar, after.hubspot.hub_id) == (
        ("loc-2", "c", 7)
    )
    assert after.hubspot.filter == {"team": ("n",)}
    assert set(before.splitlines()) <= set(file.read_text().splitlines())
    assert [each.name for each in file.parent.iterdir()] == ["north.toml"]
    for more in ([], ["--update"], ["--dry-run"], ["--location", "loc-2", "--filter", "team=n"]):
        again = syncd("link", "add", "north", "--hub-id", "7", "--json", *more)
        assert (again.code, json.loads(again.out)["unchanged"]) == (0, ["north"])


def test_a_list_may_be_given_again_and_one_row_that_differs_stops_it(
    syncd: Syncd, main: Path
) -> None:
    rows = HEAD + "a,l-1,1,,team=x\nb,l-2,2,c,\n"
    assert syncd("link", "add", "--csv", table(main.parent, rows)).code == 0
    more = f"{rows}c,l-3,3,,\n"
    done = syncd("link", "add", "--csv", table(main.parent, more), "--json")
    told = json.loads(done.out)
    assert (done.code, told["added"], told["unchanged"]) == (0, ["c"], ["a", "b"])
    before = kept(main.parent)
    other = more.replace("b,l-2", "b,l-9") + "d,l-4,4,,\n"
    done = syncd("link", "add", "--csv", table(main.parent, other), "--json")
    (problem,) = json.loads(done.out)["problems"]
    assert (done.code, problem.startswith("line 3: links.b: exists already")) == (2, True)
    assert kept(main.parent) == before
    done = syncd("link", "add", "e")
    assert (done.code, "links.e.ghl.location_id: missing" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("text", "kept_lines"),
    [
        ('links.north.ghl.location_id = "l-1" # c\n', ["# c"]),
        ('[links.north]\nghl = { location_id = "l-1" } # c\n', ["# c"]),
        ('[links]\nnorth = { ghl = { location_id = "l-1" } }\n', None),
        (
            (
                '[links.north.hubspot.filter]\nteam = ["a"] # c\n[links.north.ghl]\n'
                'location_id = "l-1"\n'
            ),
            ["# c"],
        ),
        (
            (
                '[links.north.hubspot]\nfilter = { group = ["a"] } # c\n[links.north.ghl]\n'
                'location_id = "l-1"\n'
            ),
            ["# c"],
        ),
        (
            (
                '[links.north.hubspot.filter]\ngroup = ["a"] # c\n[links.north.ghl]\n'
                'location_id = "l-1"\n'
            ),
            None,
        ),
        ("[links]\nnorth = 5\n", None),
        ("[links.north]\nghl = 5\n", None),
        ('\ufeff[links.north.ghl]\r\nlocation_id = "l-1"\r\n', []),
    ],
)
def test_whatever_a_person_wrote_is_kept_or_the_change_is_refused(
    syncd: Syncd, main: Path, text: str, kept_lines: list[str] | None
) -> None:
    file = main.parent / "links.d" / "north.toml"
    file.parent.mkdir()
    file.write_text(text, newline="")
    done = syncd(
        *("link", "add", "north", "--location", "l-2", "--hub-id", "7"),
        *("--filter", "team=b", "--update"),
    )
    if kept_lines is None:
        assert (done.code, "by hand" in done.err) == (2, True)
        assert file.read_text() == text
        assert syncd("link", "remove", "north").code == 0
        assert file.with_name("north.toml.removed").read_text() == text
        return
    assert done.code == 0, done.err
    link = load(main).links["north"]
    assert (link.ghl.location_id, link.hubspot.hub_id) == ("l-2", 7)
    assert link.hubspot.filter == {"team": ("b",)}
    assert all(each in file.read_text() for each in kept_lines)


def test_two_commands_never_change_the_links_at_once(syncd: Syncd, main: Path) -> None:
    with link_files.alone(main):
        for words in (("add", "north", "--location", "l-1"), ("remove", "north")):
            refused = syncd("link", *words)
            assert (refused.code, "run this one again" in refused.err) == (2, True)
    assert syncd("link", "add", "north", "--location", "l-1").code == 0


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "a,l-1,1,c,team=x;team=y\nb,l-2,2,,\n",
        "\ufeff" + HEAD.replace("\n", "\r\n") + "a,l-1,1,c,team=x;team=y\r\n\r\nb,l-2,2,,\r\n",
        HEAD.replace(",", ";") + 'a;l-1;1;c;"team=x;team=y"\nb;l-2;2;;\n',
        HEAD.replace(",", "\t") + "a\tl-1\t1\tc\tteam=x;team=y\nb\tl-2\t2\n",
        ' Name , "LOCATION_ID",hub_id,default_calendar,filter\n'.replace(' "', '"').replace(
            '",', '",'
        )
        + '"a", l-1 ,1,"c"," team = x ; team=y ;"\n,,,,\nb,l-2,2',
        "hub_id,filter,location_id,default_calendar,name\n1,team=x;team=y,l-1,c,a\n2,,l-2,,b\n",
    ],
    ids=["plain", "bom and crlf", "semicolons", "tabs", "spaces and quotes", "another order"],
)
def test_a_list_is_read_as_spreadsheets_write_it(syncd: Syncd, main: Path, text: str) -> None:
    done = syncd("link", "add", "--csv", table(main.parent, text), "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["added"] == ["a", "b"]
    links = load(main).links
    assert {n: (v.ghl.location_id, v.hubspot.hub_id) for n, v in links.items()} == {
        "a": ("l-1", 1),
        "b": ("l-2", 2),
    }
    assert links["a"].hubspot.filter == {"team": ("x", "y")}


def test_every_row_is_checked_and_every_problem_told_with_its_line(
    syncd: Syncd, main: Path
) -> None:
    assert syncd("link", "add", "there", "--location", "l-0").code == 0
    before = kept(main.parent)
    rows = [
        "good,l-1,1,,",
        "Bad Name,l-2,2,,",
        "good,l-3,3,,",
        "noloc,,4,,",
        "nohub,l-5,x4,,",
        "nofilter,l-6,5,,team",
        "there,l-7,6,,",
        "space,l 8,7,,",
        '"two\nlines",l-9,8,,',
        "wide,l-9,9,,,more,",
        "shared,l-10,1,,",
    ]
    done = syncd("link", "add", "--csv", table(main.parent, HEAD + "\n".join(rows)), "--json")
    told = json.loads(done.out)["problems"]
    assert done.code == 2
    expected = {
        3: "Bad Name",
        4: "first in line 2",
        5: "location_id: missing",
        6: "hub_id",
        7: "property=value",
        8: "--update",
        9: "location_id",
        10: "name",
        12: "7 columns",
        13: "one HubSpot account",
    }
    for line, words in expected.items():
        assert any(each.startswith(f"line {line}: ") and words in each for each in told), line
    assert len(told) == len(expected)
    assert kept(main.parent) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("name,location_id\na,b\n", "hub_id: missing"),
        ("name,location_id,hub_id,calendar\n", "unknown; did you mean default_calendar?"),
        ("name,name,location_id,hub_id\n", "given twice"),
        (HEAD, "no link"),
        (HEAD + '"a,l-1,1', "not CSV"),
        (HEAD + '"a"b,l-1,1', "not CSV"),
        (HEAD.encode("utf-16"), "UTF-8"),
        (HEAD.encode() + b"a\0,b,1\n", "text file"),
        (HEAD.encode() + "zürich,b,1\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_what_is_no_list_is_refused(
    syncd: Syncd, main: Path, text: str | bytes, words: str
) -> None:
    done = syncd("link", "add", "--csv", table(main.parent, text))
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (main.parent / "links.d").exists()


def test_three_hundred_rows_and_one_account_without_filters(syncd: Syncd, main: Path) -> None:
    rows = "".join(f"c{number},l-{number},5,,\n" for number in range(300))
    done = syncd("link", "add", "--csv", table(main.parent, HEAD + rows))
    lines = done.err.splitlines()
    assert (done.code, len(lines)) == (2, 299), "each row that collides is told once"
    assert lines[0].startswith("line 3: links.c0 and links.c1: one HubSpot account")
    apart = "".join(f"c{number},l-{number},5,,team=t{number}\n" for number in range(300))
    done = syncd("link", "add", "--csv", table(main.parent, HEAD + apart))
    assert done.code == 0, done.err
    assert "300 links added" in done.out
    assert len(done.out.splitlines()) < 20
    assert len(load(main).links) == 300


def in_the_way(kind: str, folder: Path) -> None:
    links = folder / "links.d"
    if kind == "a file":
        links.write_text("")
        return
    links.mkdir()
    file = links / "b.toml"
    if kind == "a symbolic link":
        (folder / "elsewhere.toml").write_text("# not ours\n")
        file.symlink_to(folder / "elsewhere.toml")
    elif kind == "half a file":
        file.write_text("[links.b.ghl]\nlocation_id = ")
    elif kind == "a folder":
        file.mkdir()
    elif kind == "another link's":
        file.write_text('[links.c.ghl]\nlocation_id = "l-3"\n')
    elif kind == "a leftover":
        (links / f".b.toml.{os.getpid()}").write_text("")


@pytest.mark.parametrize(
    "kind",
    ["a file", "a symbolic link", "half a file", "a folder", "another link's", "a leftover"],
)
def test_what_is_in_the_way_is_left_alone_and_no_other_file_is_written(
    syncd: Syncd, main: Path, kind: str
) -> None:
    in_the_way(kind, main.parent)
    before = {p: p.lstat().st_mtime_ns for p in main.parent.rglob("*")}
    rows = "a,l-1,1,,\nb,l-2,2,,\n"
    for more in ([], ["--update"]):
        done = syncd("link", "add", "--csv", table(main.parent, HEAD + rows), *more)
        assert done.code == 2
        assert "links.d" in done.err
        assert "Traceback" not in done.err
    after = {p: p.lstat().st_mtime_ns for p in main.parent.rglob("*") if p.suffix != ".csv"}
    assert after.keys() == before.keys()


def test_a_folder_that_is_not_included_is_told(syncd: Syncd, main: Path) -> None:
    main.write_text('[links.clinic.ghl]\nlocation_id = "l-0"\n')
    done = syncd("link", "add", "north", "--location", "l-1", "--filter", "team=x")
    assert done.code == 2, "both links have one token, and only one has a filter"
    assert "links.clinic" in done.err
    main.write_text("")
    done = syncd("link", "add", "north", "--location", "l-1")
    assert done.code == 0
    assert 'include = ["links.d/*.toml"]' in done.out
    assert syncd("link", "add", "north", "--location", "l-2").code == 2
    for include in ('["links.d/*.toml"]', '["./*.d/n*.toml"]', '["links.d/north.toml"]'):
        main.write_text(f"include = {include}\n")
        assert load(main).links["north"].ghl.location_id == "l-1"
        done = syncd("link", "add", "north", "--hub-id", "7", "--update")
        assert (done.code, "include =" in done.out) == (0, False)
    main.write_text('include = ["links.d/s*.toml", "*/south.toml"]\n')
    done = syncd("link", "add", "north", "--hub-id", "7", "--update")
    assert (done.code, "include =" in done.out) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("north", "--csv", "clients.csv"),
        ("--csv", "clients.csv", "--location", "l"),
        ("North", "--location", "l"),
        ("../up", "--location", "l"),
        ("north", "--location", "l", "--hub-id", "x"),
        ("north", "--location", "l", "--filter", "x"),
        ("north",),
        ("north", "--location", ""),
        ("--csv", "nowhere.csv"),
    ],
)
def test_what_cannot_be_added_ends_with_2(syncd: Syncd, main: Path, words: tuple[str, ...]) -> None:
    done = syncd("link", "add", *words)
    assert done.code == 2
    assert done.err
    assert "Traceback" not in done.err
    assert not (main.parent / "links.d").exists()


def test_a_link_is_removed_and_what_stays_behind_is_told(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    text = (clinic.folder / "config.toml").read_text()
    main, _, link = text.partition("[links.clinic.ghl]")
    (clinic.folder / "config.toml").write_text(f'include = ["links.d/*.toml"]\n{main}')
    (clinic.folder / "links.d").mkdir()
    file = clinic.folder / "links.d" / "clinic.toml"
    file.write_text(f"# mine\n[links.clinic.ghl]{link}\n[defaults.hubspot]\nshow_held = true\n")
    assert syncd("setup").code == 0
    clinic.book("One")
    clinic.make("Two", contact=False)
    assert syncd("--sync-now").code == 0
    writes = clinic.writes()
    done = syncd("link", "remove", "clinic")
    assert done.code == 0
    assert not file.exists()
    assert file.with_name("clinic.toml.removed").read_text().startswith("# mine")
    assert "1 appointment" in done.out
    assert "1 of its HubSpot records keep a note in ghl_sync_note" in done.out
    assert f"ghl_location_id = {clinic.ghl.id}" in done.out
    assert clinic.writes() == writes
    assert syncd("link", "remove", "clinic").code == 2


def test_only_a_link_of_its_own_file_is_removed(syncd: Syncd, main: Path) -> None:
    for name, location in (("north", "l-1"), ("south", "l-2")):
        assert syncd("link", "add", name, "--location", location).code == 0
    files = main.parent / "links.d"
    main.write_text(MAIN + '[links.here.ghl]\nlocation_id = "l-3"\n')
    for name, words in (("here", str(main)), ("nort", "did you mean north?"), ("../x", "name")):
        done = syncd("link", "remove", name)
        assert (done.code, words in done.err) == (2, True), done.err
    with (files / "south.toml").open("a") as file:
        file.write('[links.more.ghl]\nlocation_id = "l-4"\n')
    assert syncd("link", "remove", "south").code == 2
    main.write_text(MAIN + '[links.north.sync]\npast = "1d"\n')
    assert syncd("link", "remove", "north").code == 2
    main.write_text(MAIN)
    assert json.loads(syncd("link", "remove", "north", "--json").out)["kept"] is None
    assert sorted(kept(main.parent)) == ["south.toml"]
