"""The core's values as JSON and back: what a recording holds.

Defaults are left out, and unknown keys are passed over, so that a recording
of an earlier version replays. Errors of a vendor are values, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from syncd import errors
from syncd.core.model import Missing, Snapshot
from syncd.errors import ProviderError, SyncdError

T = TypeVar("T")


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def dump(kind: type[Any], value: Any) -> Any:
    """A value of a type as JSON."""
    return _adapter(kind).dump_python(value, mode="json", exclude_defaults=True)


def load(kind: Callable[..., T], written: Any) -> T:
    """The value that `dump` was given."""
    return cast("T", _adapter(kind).validate_python(written))


def dump_seen(seen: Snapshot | Missing) -> dict[str, Any]:
    """A record that was asked for."""
    name, kind = ("missing", Missing) if isinstance(seen, Missing) else ("shown", Snapshot)
    return {name: dump(kind, seen)}


def load_seen(written: Mapping[str, Any]) -> Snapshot | Missing:
    """The record that `dump_seen` was given."""
    if "missing" in written:
        return load(Missing, written["missing"])
    return load(Snapshot, written["shown"])


_PLAIN = ("side", "status", "retry_after", "missing_scope", "reason", "policy", "sent")


def dump_error(error: SyncdError) -> dict[str, Any]:
    """An error that a reading came to."""
    told = {name: getattr(error, name) for name in _PLAIN if hasattr(error, name)}
    return {"error": type(error).__name__, "detail": str(error), **told}


def load_error(written: Mapping[str, Any]) -> SyncdError:
    """The error that `dump_error` was given."""
    kind = getattr(errors, str(written["error"]), ProviderError)
    if not (isinstance(kind, type) and issubclass(kind, SyncdError)):
        kind = ProviderError
    found: SyncdError = kind.__new__(kind)
    Exception.__init__(found, written["detail"])
    for name, value in written.items():
        if name in _PLAIN:
            setattr(found, name, value)
    return found
