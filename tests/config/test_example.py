import re
import tomllib
from pathlib import Path

from syncd.config import load
from syncd.config.describe import meanings
from syncd.config.example import example
from syncd.config.key_tree import known_keys
from syncd.config.section import Section

FILE = Path(__file__).parents[2] / "config.example.toml"


def uncommented() -> str:
    return re.sub(r"(?m)^#(?=\S)", "", example())


def test_the_example_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == example(), (
        "run: python -m syncd.config.example config.example.toml"
    )


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    assert list(load(FILE, {}, tmp_path).links) == ["clinic"]


def test_the_example_means_the_same_with_every_comment_mark_taken_off(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(example())
    plain = load(tmp_path / "config.toml", {}, tmp_path)
    (tmp_path / "config.toml").write_text(uncommented())
    assert load(tmp_path / "config.toml", {}, tmp_path) == plain


def test_the_example_names_every_key() -> None:
    table = tomllib.loads(uncommented())
    for path in known_keys(["clinic"]):
        if path[0] == "links":
            continue
        # [notify] is the default of every link itself.
        homes = [path, ("links", "clinic", *path[1:]), path[1:]]
        homes = homes if path[0] == "defaults" else [path]
        assert any(_reaches(table, home) for home in homes), path


def test_the_first_part_is_short() -> None:
    first = example().partition("\n# Everything below")[0]
    keys = [line for line in first.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(keys) <= 12


def test_every_key_has_a_meaning() -> None:
    for section in _sections(Section):
        missing = set(section.model_fields) - set(meanings(section))
        assert not missing or section.__name__ in {"Settings", "LinkSettings"}, (section, missing)


def _sections(base: type[Section]) -> list[type[Section]]:
    below = base.__subclasses__()
    return [*below, *(deeper for section in below for deeper in _sections(section))]


def _reaches(table: object, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
