"""Switches for what goes wrong: a slow service, refusals, a dead one, a late index, a lost scope.

The page turns them, and anybody else by `PUT /control/weather`. They change the world's
settings and faults, and change them back; faults that others added stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncd.sandbox.faults import Fault
from syncd.sandbox.http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import Request
    from syncd.sandbox.settings import SandboxSettings
    from syncd.sandbox.world import SandboxWorld

SLOW = 2.0
"""Seconds that every answer of a slow service takes."""
LAG = timedelta(seconds=20)
"""How late a late search index shows a change."""
LOST = "crm.objects.appointments.write"
"""The scope that a token may lose."""

SIDES = {"fine": None, "429": 429, "500": 500, "dead": 0}
"""How a vendor may answer, and with which status; 0 is not at all."""
SWITCHES = ("slow", "search_lag", "lost_scope")


@dataclass(slots=True, kw_only=True)
class Weather:
    """The switches as they stand."""

    ghl: str = "fine"
    hubspot: str = "fine"
    slow: bool = False
    search_lag: bool = False
    lost_scope: bool = False
    faults: list[Fault] = field(default_factory=list)
    normal: SandboxSettings | None = None
    """What the settings were before."""

    def told(self) -> dict[str, object]:
        """The switches as JSON."""
        return {name: getattr(self, name) for name in ("ghl", "hubspot", *SWITCHES)}


def show_weather(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    """The switches as they stand."""
    return Response(payload=world.weather.told())


def turn_weather(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    """Turn the switches that are given.

    Raises:
        ValueError: there is no such switch, or it does not take the value.
    """
    given: Any = request.json()
    if not isinstance(given, dict):
        raise TypeError("the body must be a JSON object")
    for name, value in given.items():
        if name in {"ghl", "hubspot"}:
            fits = value in SIDES
        else:
            fits = name in SWITCHES and isinstance(value, bool)
        if not fits:
            raise ValueError(
                f"{name}: {value!r}: there are ghl and hubspot ({', '.join(SIDES)}), "
                f"and {', '.join(SWITCHES)} (true, false)"
            )
    weather = world.weather
    weather.normal = weather.normal or world.settings
    for name, value in given.items():
        setattr(weather, name, value)
    _apply(world, weather, weather.normal)
    return Response(payload=weather.told())


def _apply(world: SandboxWorld, weather: Weather, normal: SandboxSettings) -> None:
    scopes = normal.hubspot_scopes
    world.settings = replace(
        world.settings,
        latency=SLOW if weather.slow else normal.latency,
        search_lag=LAG if weather.search_lag else normal.search_lag,
        hubspot_scopes=scopes - {LOST} if weather.lost_scope else scopes,
    )
    for fault in weather.faults:
        world.faults.remove(fault)
    weather.faults = [
        world.faults.add(_fault(side, getattr(weather, side)))
        for side in ("ghl", "hubspot")
        if getattr(weather, side) != "fine"
    ]


def _fault(side: str, kind: str) -> Fault:
    status = SIDES[kind]
    if not status:
        return Fault(kind="drop_before", side=side, times=None)
    message = {"message": f"the weather of this sandbox: every request gets a {status}"}
    return Fault(side=side, status=status, times=None, body=message)
