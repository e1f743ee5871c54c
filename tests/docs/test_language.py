"""The project's own texts use plain words: the old private ones do not come back."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(path for name in ("docs", "deploy", "bench", "tests") for path in (ROOT / name).glob("*.md")),
]
MODULES = [path for name in ("syncd", "tools", "bench") for path in (ROOT / name).rglob("*.py")]

PRIVATE = {
    r"goodbyes?": "an unexpected stop",
    r"for your go|lets? (?:it|them|each|one) go": "approval; how to resolve it",
    r"gravest|graver": "worst, worse",
    r"fares?": "the status of",
    r"(?:record|side|contact|id|owner|those|one|nobody|somebody|known) across": "on the other side",
    r"born (?:in|with|without)|HubSpot-born": "created in",
    r"mend(?:s|ed|ing)?": "fix",
    r"(?<!daemon\.)ailments?|stumbled ticks?": "problem, missed",
    r"its day is spent|spent day": "the daily quota is used up",
    r"without saying": "state it, or leave it out",
    r"no duration": "not a duration",
    r"for you alone": "readable only by you",
    r"quarrels?": "conflict",
    r"hush(?:es|ed)?": "pause",
    r"aloud": "without the store",
}
"""Words that a reader has to translate, each with what to write instead."""


@cache
def texts(path: Path) -> str:
    """A page; or a module's comments, docstrings and messages."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text
    nodes = ast.walk(ast.parse(text))
    strings = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n\n".join((*re.findall(r"#(.*)", text), *strings))


@pytest.mark.parametrize("word", PRIVATE)
def test_no_private_word_is_in_a_text_of_the_project(word: str) -> None:
    pattern = re.compile(rf".*\b(?:{word})\b.*", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (*PAGES, *MODULES)
        for line in pattern.findall(texts(path))
    ]
    assert not found, f"write instead: {PRIVATE[word]}\n" + "\n".join(found)
