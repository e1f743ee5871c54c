"""A name in backticks is the name of something: a comment that points at nothing misleads."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "syncd").rglob("*.py"))
SOURCES = [*MODULES, *(path for name in ("tests", "bench") for path in (ROOT / name).rglob("*.py"))]
TICKED = re.compile(r"`([A-Za-z_][\w.]*(?:/[\w.]+)*)`")
WORD = re.compile(r"[A-Za-z_]\w*")
PAGE = re.compile(r"`((?:docs|deploy)/[\w.-]+\.md)(?:#[\w-]+)?`")
SHORT = 80
"""Characters of a text that may name a key, a value or a command."""


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything that a module consists of."""
    return tuple(ast.walk(ast.parse(path.read_text("utf-8"))))


def names() -> frozenset[str]:
    """Whatever has a name: modules, definitions, attributes, arguments, keys, values."""
    found: set[str] = {"py", "md", "toml", "dataclasses"}
    for path in SOURCES:
        found.update(path.relative_to(ROOT).with_suffix("").parts)
        for node in nodes(path):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name):
                    found.add(name)
                case ast.Attribute(attr=name) | ast.arg(arg=name):
                    found.add(name)
                case ast.alias(name=name):
                    found.update(name.split("."))
                case ast.keyword(arg=str(name)):
                    found.add(name)
                case ast.Constant(value=str(text)) if len(text) < SHORT:
                    found.update(WORD.findall(text))
    return frozenset(found)


def prose(path: Path) -> Iterator[str]:
    """The comments of a module, and every text that stands alone: docstrings, most of all."""
    text = path.read_text("utf-8")
    yield from re.findall(r"#(.*)", text)
    for node in nodes(path):
        match node:
            case ast.Expr(value=ast.Constant(value=str(told))):
                yield told


def test_every_name_in_backticks_is_known() -> None:
    known = names()
    lost = {
        (str(path.relative_to(ROOT)), name)
        for path in MODULES
        for text in prose(path)
        for name in TICKED.findall(text)
        if not known.issuperset(WORD.findall(name))
    }
    assert not lost


def test_every_page_that_code_points_at_is_there() -> None:
    lost = {
        page
        for path in SOURCES
        for text in prose(path)
        for page in PAGE.findall(text)
        if not (ROOT / page).exists()
    }
    assert not lost
