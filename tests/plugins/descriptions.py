"""HighLevel's own API descriptions, held against requests and answers.

The contract tests read the vendor's OpenAPI files with this and hand it every
exchange that they record. It says what is wrong in short, stable words, so
that the places where the real service is known to differ can be listed one by
one. Leaves out which those are, and where the files come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FAMILIES = ("calendars", "contacts", "locations", "users")

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer; header names are lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str]
    body: Any = None
    status: int
    answer: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One thing that an exchange does otherwise than described.

    `operation` is the described method and path, `part` is `request` or the
    status of an answer, `words` name the place and what is wrong there.
    """

    operation: str
    part: str
    words: str

    def __str__(self) -> str:
        return f"{self.operation} [{self.part}] {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    name: str
    pattern: re.Pattern[str]
    method: str
    spec: Schema
    uri: str
    """Where the operation stands, as a JSON pointer: schemas are resolved from there."""


class Descriptions:
    """The operations of the four families, in one version (2, or 3)."""

    def __init__(self, root: Path, version: int = 2) -> None:
        files = {
            family: root / "apps" / ("v3" if version == 3 else "") / _file(family, version)
            for family in FAMILIES
        }
        documents = {name: _loaded(path) for name, path in files.items()}
        # The third version's files refer one folder too high: each family is filed where the
        # reference to the shared errors finds them.
        shared = "apps/v3/common" if version == 3 else "common"
        resources = {
            f"https://specs.test/apps/{name}.json": held for name, held in documents.items()
        }
        resources["https://specs.test/common/common-schemas.json"] = _loaded(
            root / shared / "common-schemas.json"
        )
        self._registry: Registry[Any] = Registry().with_resources(
            (uri, DRAFT202012.create_resource(held)) for uri, held in resources.items()
        )
        self._operations = [
            each for name, held in documents.items() for each in _operations(name, held)
        ]

    def operation(self, method: str, path: str) -> str:
        """The described method and path of a request; "" where nothing describes it."""
        found = self._find(method, path)
        return found.name if found else ""

    def faults(self, exchange: Exchange) -> list[Fault]:
        """What the exchange does otherwise than described, each once, in order."""
        operation = self._find(exchange.method, exchange.path)
        if operation is None:
            name = f"{exchange.method} {exchange.path}"
            return [Fault(operation=name, part="request", words="is not described")]
        asked = self._of_request(operation, exchange)
        answered = self._of_answer(operation, exchange)
        status = str(exchange.status)
        return sorted(
            {Fault(operation=operation.name, part="request", words=each) for each in asked}
            | {Fault(operation=operation.name, part=status, words=each) for each in answered}
        )

    def _find(self, method: str, path: str) -> _Operation | None:
        fitting = [
            each
            for each in self._operations
            if each.method == method.lower() and each.pattern.fullmatch(path)
        ]
        # `/contacts/search/duplicate` goes before `/contacts/{contactId}/appointments`.
        return min(fitting, key=lambda each: each.name.count("{"), default=None)

    # --- requests

    def _of_request(self, operation: _Operation, exchange: Exchange) -> Iterator[str]:
        if not exchange.headers.get("authorization", "").startswith("Bearer "):
            yield "header authorization is missing"
        given = {
            "query": dict(exchange.query),
            "header": dict(exchange.headers),
            "path": operation.pattern.fullmatch(exchange.path).groupdict(),  # type: ignore[union-attr]
        }
        parameters = operation.spec.get("parameters", ())
        for each in parameters:
            held = given.get(each["in"], {})
            name = each["name"].lower() if each["in"] == "header" else each["name"]
            if name in held:
                yield from self._of_parameter(each, held[name])
            elif each.get("required"):
                yield f"{each['in']} {name} is missing"
        known = {each["name"] for each in parameters if each["in"] == "query"}
        yield from (
            f"query {name} is not described" for name in given["query"] if name not in known
        )
        yield from self._of_body(operation, exchange.body)

    def _of_parameter(self, parameter: Schema, text: str) -> Iterator[str]:
        schema = parameter["schema"]
        for error in Draft202012Validator(schema).iter_errors(_typed(text, schema.get("type"))):
            yield f"{parameter['in']} {parameter['name']}: {_words(error)}"

    def _of_body(self, operation: _Operation, body: Any) -> Iterator[str]:
        described = operation.spec.get("requestBody")
        if described is None:
            if body is not None:
                yield "a body is not described"
            return
        if body is None:
            if described.get("required"):
                yield "the body is missing"
            return
        pointer = f"{operation.uri}/requestBody/content/application~1json/schema"
        yield from (f"body {each}" for each in self._of_value(pointer, body))

    # --- answers

    def _of_answer(self, operation: _Operation, exchange: Exchange) -> Iterator[str]:
        described = operation.spec["responses"].get(str(exchange.status))
        if described is None:
            yield "the status is not described"
            successes = [code for code in operation.spec["responses"] if code.startswith("2")]
            if exchange.status >= 300 or not successes:
                return
            status = successes[0]
            described = operation.spec["responses"][status]
        else:
            status = str(exchange.status)
        if "schema" in described.get("content", {}).get("application/json", {}):
            pointer = f"{operation.uri}/responses/{status}/content/application~1json/schema"
            yield from self._of_value(pointer, exchange.answer)

    # --- values

    def _of_value(self, uri: str, value: Any) -> Iterator[str]:
        validator = Draft202012Validator({"$ref": uri}, registry=self._registry)
        for error in validator.iter_errors(value):
            yield f"{_place(error.absolute_path)}: {_words(error)}"
        found = self._registry.resolver().lookup(uri)
        yield from self._undescribed(found.contents, found.resolver, value, "$")

    def _undescribed(self, schema: Any, resolver: Any, value: Any, place: str) -> Iterator[str]:
        """The keys that no schema names, where a schema names any."""
        named, extra = _children(schema, resolver)
        if isinstance(value, Mapping):
            for key, held in value.items():
                if key in named:
                    for child, where in named[key]:
                        yield from self._undescribed(child, where, held, f"{place}.{key}")
                elif extra is not None:
                    yield from self._undescribed(*extra, held, f"{place}.*")
                elif named:
                    yield f"{place}: {key!r} is not described"
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for child, where in named.get("[]", ()):
                for held in value:
                    yield from self._undescribed(child, where, held, f"{place}[]")


def _children(
    schema: Any, resolver: Any
) -> tuple[dict[str, list[tuple[Any, Any]]], tuple[Any, Any] | None]:
    """The schemas of an object's keys (`[]`: of a list's items), and of every further key."""
    named: dict[str, list[tuple[Any, Any]]] = {}
    extra: tuple[Any, Any] | None = None
    waiting = [(schema, resolver)]
    while waiting:
        held, where = waiting.pop()
        if "$ref" in held:
            found = where.lookup(held["$ref"])
            waiting.append((found.contents, found.resolver))
        for several in ("allOf", "anyOf", "oneOf"):
            waiting += [(each, where) for each in held.get(several, ())]
        for key, child in held.get("properties", {}).items():
            named.setdefault(key, []).append((child, where))
        if "items" in held:
            named.setdefault("[]", []).append((held["items"], where))
        if isinstance(held.get("additionalProperties"), Mapping):
            extra = (held["additionalProperties"], where)
    return named, extra


def _operations(family: str, document: Schema) -> Iterator[_Operation]:
    for path, item in document["paths"].items():
        for method, spec in item.items():
            pointer = path.replace("~", "~0").replace("/", "~1")
            yield _Operation(
                name=f"{method.upper()} {path}",
                pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
                method=method,
                spec=spec,
                uri=f"https://specs.test/apps/{family}.json#/paths/{pointer}/{method}",
            )


def _file(family: str, version: int) -> str:
    return f"{family}-v3.json" if version == 3 else f"{family}.json"


def _loaded(path: Path) -> Any:
    return _readable(json.loads(path.read_text(encoding="utf-8")))


def _readable(held: Any) -> Any:
    """OpenAPI 3.0 as a JSON schema: `nullable` becomes a type, a stray `required: true` goes."""
    if isinstance(held, list):
        return [_readable(each) for each in held]
    if not isinstance(held, dict):
        return held
    read = {key: _readable(each) for key, each in held.items()}
    if read.get("nullable") is True and isinstance(read.get("type"), str):
        read["type"] = [read["type"], "null"]
    if "in" not in read and "content" not in read and isinstance(read.get("required"), bool):
        del read["required"]
    return read


def _typed(text: str, kind: Any) -> Any:
    """A value of a query as the type that it is meant to be, where it can be read so."""
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text


def _place(path: Sequence[Any]) -> str:
    parts = ("[]" if isinstance(each, int) else f".{each}" for each in path)
    return "$" + "".join(parts)


def _words(error: Any) -> str:
    """A fault without the value, which changes from run to run."""
    match error.validator:
        case "required":
            return str(error.message).replace("is a required property", "is missing")
        case "type":
            wanted = error.validator_value
            return f"is not of type {wanted if isinstance(wanted, str) else '/'.join(wanted)}"
        case "enum":
            return "is none of the described values"
        case kind:
            return f"does not keep to {kind}"
