"""Reads the meaning of every key from the text under it in the settings.

Used when the example file or the reference of keys is written, never at an
ordinary start: it parses the source.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from itertools import pairwise
from textwrap import dedent

from syncd.config.section import Section


@cache
def meanings(section: type[Section]) -> dict[str, str]:
    """The text under each key of a section, broken into lines as in the source."""
    body = ast.parse(dedent(inspect.getsource(section))).body[0]
    found: dict[str, str] = {}
    for base in reversed(section.__mro__[1:]):
        if issubclass(base, Section) and base is not Section:
            found |= meanings(base)
    for line, below in pairwise(body.body if isinstance(body, ast.ClassDef) else ()):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                found[name] = inspect.cleandoc(text)
    return found
