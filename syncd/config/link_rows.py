"""Links as a person lists them, on a command line or in a CSV file: read and checked.

`syncd link add` calls it, before `link_files` lays the rows over the configuration.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from syncd.config import toml, values
from syncd.config.key_tree import did_you_mean
from syncd.errors import ConfigError

COLUMNS = ("name", "location_id", "hub_id", "default_calendar", "filter")
"""The headers of a CSV file; the last two may be missing."""

LEAST = COLUMNS[:3]

LONGEST_NAME = 100
"""Characters of a link's name, which is the name of a file as well."""

DELIMITERS = ",;\t"
"""What may stand between the columns: spreadsheets write a semicolon in some countries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One link that is wanted; what is empty is not said."""

    name: str
    location: str = ""
    hub_id: int = 0
    calendar: str = ""
    filter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    line: int = 0
    """Where it stands in the CSV file; 0 for one from the command line."""

    def told(self, problem: str) -> str:
        """A problem with the place of the row."""
        return f"line {self.line}: {problem}" if self.line else problem


def filters(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The filter of several `P=V`.

    Raises:
        ValueError: one is none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in given:
        name, mark, value = (part.strip() for part in each.partition("="))
        if not (name and mark and value):
            raise ValueError(f"filter {toml.text(each)}: accepted: property=value")
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), value)))
    return found


def name_problem(name: str) -> str:
    """What is wrong with the name of a link; "" for nothing."""
    try:
        TypeAdapter(values.LinkName).validate_python(name)
    except ValidationError:
        return f"name {toml.text(name)}: accepted: a name made of a-z, 0-9 and _"
    if len(name) > LONGEST_NAME:
        return f"name {toml.text(name)}: at most {LONGEST_NAME} characters"
    return ""


def read_csv(path: Path) -> tuple[list[LinkRow], list[str]]:
    """The rows of a file, and every problem with its line.

    Raises:
        ConfigError: it cannot be read, or its headers are others.
    """
    lines = list(_lines(path))
    if not lines:
        raise ConfigError([f"{path}: empty; the first line names the columns: {_words(COLUMNS)}"])
    heads = [head.strip().casefold() for head in lines[0][1]]
    if problems := list(_head_problems(heads)):
        raise ConfigError([f"{path}: line 1: {each}" for each in problems])
    rows: list[LinkRow] = []
    problems = []
    for line, cells in lines[1:]:
        try:
            row = _row(heads, [cell.strip() for cell in cells], line)
        except ValueError as error:
            problems += [f"line {line}: {each}" for each in error.args]
        else:
            rows.append(row)
    if not lines[1:]:
        problems.append(f"{path}: no link stands below the headers")
    return rows, problems


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold something, each with its number."""
    text = _text(path)
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)  # the comma, where there is none at all
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError([f"{path}: line {line}: this is not CSV: {error}"]) from error


def _text(path: Path) -> str:
    try:
        held = toml.held(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError([f"{path}: cannot be read: {why}"]) from error
    try:
        text = held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"{path}: byte {error.start} is not UTF-8; save it as CSV with UTF-8"]
        ) from error
    if "\0" in text:
        raise ConfigError([f"{path}: not a text file; save it as CSV with UTF-8"])
    return text


def _head_problems(heads: Sequence[str]) -> Iterator[str]:
    known = f"accepted: {_words(COLUMNS)}, the last two may be missing"
    for head in dict.fromkeys(heads):
        if head not in COLUMNS:
            near = did_you_mean(head, COLUMNS)
            yield f"column {toml.text(head)}: unknown{near or f'; {known}'}"
        elif heads.count(head) > 1:
            yield f"column {head}: given twice"
    for head in LEAST:
        if head not in heads:
            yield f"column {head}: missing; {known}"


def _words(names: Sequence[str]) -> str:
    return ",".join(names)


def _row(heads: Sequence[str], cells: list[str], line: int) -> LinkRow:
    """The row of these cells.

    Raises:
        ValueError: with every problem as an argument.
    """
    problems: list[str] = []
    if len(cells) > len(heads) and any(cells[len(heads) :]):
        count = len(cells)
        problems.append(f"{count} columns where the first line has {len(heads)}; quote a comma")
    of = dict(zip(heads, [*cells, *[""] * len(heads)], strict=False))
    try:
        hub_id = number(of["hub_id"])
    except ValueError as error:
        problems.append(str(error))
    try:
        kept = filters([each for each in of.get("filter", "").split(";") if each.strip()])
    except ValueError as error:
        problems.append(str(error))
    if wrong := name_problem(of["name"]):
        problems.append(wrong)
    if problems:
        raise ValueError(*problems)
    return LinkRow(
        name=of["name"],
        location=of["location_id"],
        hub_id=hub_id,
        calendar=of.get("default_calendar", ""),
        filter=kept,
        line=line,
    )


def number(text: str) -> int:
    """The number of a HubSpot account; 0 for nothing.

    Raises:
        ValueError: it is none.
    """
    try:
        return TypeAdapter(values.HubId).validate_python(text or 0)
    except ValidationError:
        raise ValueError(
            f"hub_id {toml.text(text)}: accepted: the number of a HubSpot account"
        ) from None
