"""Writes the man pages from the documentation: `syncd(1)` and `syncd.toml(5)`.

Called by `python -m tools.docs_reference docs`, after the pages that they come
from: the help of the verbs, `commands.md`, `exit-codes.md` and
`configuration.md`. Never imported by a verb.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from syncd import __version__
from tools import docs_reference

_CODE = re.compile(r"(`[^`]+`)")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")
_CELL = re.compile(r"(?<!\\)\|")
_FENCE = "```"

_ENVIRONMENT = """
| variable | does |
|---|---|
| `SYNCD_CONFIG` | Names the configuration file. |
| `SYNCD_TABLE__KEY` | Overrides a key of the configuration: `SYNCD_SCHEDULE__POLL_INTERVAL=5m`. |
| `CREDENTIALS_DIRECTORY` | Where a `credential` of the configuration is; systemd sets it. |
| `NO_COLOR` | Turns colours off. |
"""


def pages(docs: Path) -> dict[str, str]:
    """The man pages by file name, from the folder of the documentation."""
    return {"syncd.1": _syncd(docs), "syncd.toml.5": _configuration(docs)}


def _syncd(docs: Path) -> str:
    (name, root), *verbs = docs_reference.tree()
    parts = list(_blocks(docs_reference.reference(name, root)))
    tables, examples = _starting(parts, "|"), _starting(parts, f"{_FENCE}sh")
    short = " ".join(parts[1])
    sections = {
        "Name": f"{name} - {short[0].lower()}{short[1:].rstrip('.')}",
        "Synopsis": "`syncd` [OPTIONS] [VERB] [OPTIONS]...\n\n`syncd help` [VERB]",
        "Description": "\n".join(parts[2])
        + "\n\n"
        + _part(docs.parent / "README.md", "What it does"),
        "Options": tables,
        "Options of every command": _part(docs / "commands.md", "Options of every command"),
        "Commands": "\n\n".join(docs_reference.reference(*each) for each in verbs),
        "Exit status": _text(docs / "exit-codes.md"),
        "Environment": _ENVIRONMENT,
        "Files": _part(docs / "configuration.md", "Where the file is"),
        "Examples": examples,
        "See also": "`syncd.toml`(5), and the folder `docs` that comes with syncd.",
    }
    return _page("SYNCD", 1, "".join(_section(*each) for each in sections.items()))


def _configuration(docs: Path) -> str:
    return _page(
        "SYNCD.TOML",
        5,
        _section("Name", "syncd.toml - the configuration of syncd")
        + '.SH "DESCRIPTION"\n'
        + "".join(_roff(_text(docs / "configuration.md"), top=True))
        + _section("See also", "`syncd`(1), and `config.example.toml`, which comes with syncd."),
    )


def _page(title: str, section: int, text: str) -> str:
    note = '.\\" Written by `python -m tools.docs_reference docs`; edit what it is made of.'
    text = re.sub(r"(\.S[HS] .*\n)\.PP\n", r"\1", text)
    # No date: the page changes with what it says, not with the day.
    return f'{note}\n.TH "{title}" "{section}" "" "syncd {__version__}" "syncd"\n.nh\n.ad l\n{text}'


def _section(title: str, told: str) -> str:
    return f".SH {_quoted(title.upper())}\n" + "".join(_roff(told, top=False))


def _text(path: Path) -> str:
    """A page of the documentation without its title and without its marks."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL).partition("\n")[2]


def _part(path: Path, title: str) -> str:
    return _text(path).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


# --- from Markdown to roff


def _blocks(text: str) -> Iterator[list[str]]:
    """The paragraphs, tables, headings and fences of a page, as lines."""
    found: list[str] = []
    for line in text.splitlines():
        fenced = bool(found) and found[0].startswith(_FENCE)
        if fenced:
            found.append(line)
            if line == _FENCE:
                yield found
                found = []
        elif line.strip() and not line.startswith((_FENCE, "#")):
            found.append(line)
        else:
            if found:
                yield found
            found = [line] if line.startswith(_FENCE) else []
            if line.startswith("#"):
                yield [line]
    if found:
        yield found


def _starting(parts: Iterable[list[str]], mark: str) -> str:
    return "\n\n".join("\n".join(each) for each in parts if each[0].startswith(mark))


def _roff(text: str, *, top: bool) -> Iterator[str]:
    """Requests for man, one string for each block; `top`: a page's own headings are sections."""
    for block in _blocks(text):
        first = block[0]
        if first.startswith("#"):
            marks, _, title = first.partition(" ")
            section = top and marks == "##"
            title = title.upper() if section and "`" not in title else title.strip("`")
            yield f"{'.SH' if section else '.SS'} {_quoted(title)}\n"
        elif first.startswith(_FENCE) and all("  # " in each for each in block[1:-1]):
            yield from (_example(*each.split("  # ", 1)) for each in block[1:-1])
        elif first.startswith(_FENCE):
            lines = "\n".join(_escaped(each) for each in block[1:-1])
            yield f".PP\n.RS 4\n.nf\n{lines}\n.fi\n.RE\n"
        elif first.startswith("|"):
            yield from _table(*block)
        elif re.match(r"(\d+\.|-) ", first):
            yield from _list(block)
        else:
            yield ".PP\n" + "".join(f"{_line(each)}\n" for each in block)


def _example(typed: str, meaning: str) -> str:
    return f".TP\n\\fB{_escaped(typed.rstrip())}\\fR\n{_line(meaning)}\n"


def _table(head: str, _: str, *rows: str) -> Iterator[str]:
    """Each row as a paragraph with its first cell as the tag."""
    names = _cells(head)[1:]
    for row in rows:
        tag, *cells = _cells(row)
        if len(cells) > 1:
            cells = [
                f"{name.capitalize()}: {cell}." for name, cell in zip(names, cells, strict=True)
            ]
        told = "\n.br\n".join(_line(each) for each in cells)
        yield f".TP\n{_line(tag, tag=True)}\n{told}\n"


def _cells(row: str) -> list[str]:
    return [each.strip().replace("\\|", "|") for each in _CELL.split(row.strip("|"))]


def _list(block: Iterable[str]) -> Iterator[str]:
    for line in block:
        mark, _, told = line.strip().partition(" ")
        if re.fullmatch(r"\d+\.|-", mark):
            yield f".IP {_quoted(mark)} 4\n{_line(told)}\n"
        else:
            yield f"{_line(line.strip())}\n"


def _line(text: str, *, tag: bool = False) -> str:
    """A line of text: code in bold, and of a tag what stands for a value in italics."""
    text = _LINK.sub(_linked, text).replace("**", "")
    made = ""
    for part in _CODE.split(text):
        if part.startswith("`") and len(part) > 1:
            made += f"\\fB{_escaped(part[1:-1])}\\fR"
        elif tag:
            made += re.sub(r"([A-Z][A-Z ]+|\d+m)", r"\\fI\1\\fR", _escaped(part))
        else:
            made += re.sub(r"\*(\w[^*]*)\*", r"\\fI\1\\fR", _escaped(part))
    return f"\\&{made}" if made.startswith((".", "'")) else made


def _linked(found: re.Match[str]) -> str:
    text, page = found[1], found[2].partition("#")[0]
    if not page:
        return text
    path = page.removeprefix("../") if "/" in page else f"docs/{page}"
    return f"`{path}`" if text == page else f"{text} (`{path}`)"


def _escaped(text: str) -> str:
    """Characters that roff takes for its own, and those that a terminal would show as others."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    for sign, name in {"'": "aq", "`": "ga", "^": "ha", "~": "ti"}.items():
        text = text.replace(sign, f"\\({name}")
    return f"\\&{text}" if text.startswith(".") else text


def _quoted(title: str) -> str:
    return '"{}"'.format(_escaped(title).replace('"', "\\(dq"))
