"""Rules of the sandbox that a control request changes while it runs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def changed_rules(before: R, values: Mapping[str, Any], check: Callable[[str, Any, Any], Any]) -> R:
    """The rules with some of them changed.

    `check` takes a name, the value and the one before it, and gives the value to keep.

    Raises:
        ValueError: there is no such rule, or it does not take the value.
    """
    known = {field.name for field in fields(before)}
    for name in values:
        if name not in known:
            raise ValueError(f"there is no rule {name}; there are {', '.join(sorted(known))}")
    return replace(
        before,
        **{name: check(name, value, getattr(before, name)) for name, value in values.items()},
    )
