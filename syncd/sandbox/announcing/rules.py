"""What is announced, where to, and which of the vendors' oddities show.

`PUT /control/announcements` sets them while a sandbox runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from syncd.sandbox.changed_rules import changed_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

Highlevel = Literal["app", "workflow", "off"]
Hubspot = Literal["webhooks", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Deliveries go nowhere until `url` is set."""

    url: str = ""
    """Where the listener is: `http://127.0.0.1:8788`."""
    public_url: str = ""
    """The address that HubSpot signs; empty: `url`."""
    highlevel: Highlevel = "app"
    """A Marketplace app's signed events, a workflow's webhook, or nothing."""
    link: str = "clinic"
    """The link that a workflow names in its address."""
    hook_secret: str = ""
    """The secret that a workflow sends along."""
    hubspot: Hubspot = "webhooks"
    properties: tuple[str, ...] = ()
    """The HubSpot properties that the app subscribed to; empty: all."""
    echoes: bool = True
    """Whether changes through the API are announced like those of people."""
    copies: int = 1
    """How many times each delivery comes."""
    backwards: bool = False
    """What is gathered comes in the wrong order."""
    delay: float = 0.0
    """Seconds by which every delivery is late."""
    lose: int = 0
    """Every so manieth delivery is lost: 1 loses all."""
    wrapped: bool = False
    """HighLevel's event lies below `data`."""
    wrong_types: bool = False
    """HighLevel's updates and deletions call themselves AppointmentCreate."""
    forged: bool = False
    """Deliveries are signed by somebody else."""
    strangers: int = 0
    """So many events of unknown HubSpot accounts are in each batch."""
    gather: float = 0.05
    """Seconds for which HubSpot's events are gathered into a batch; 0: each on its own."""
    tries: int = 3
    """How often a delivery is tried until it is answered 2xx."""
    retry_after: float = 1.0
    """Seconds between two tries."""

    @classmethod
    def of(cls, values: Mapping[str, Any], before: Rules) -> Rules:
        """Rules with some of them changed, as JSON names them.

        Raises:
            ValueError: there is no such rule, or it does not take the value.
        """
        return changed_rules(before, values, _checked)


_WORDS = {"highlevel": get_args(Highlevel), "hubspot": get_args(Hubspot)}


def _checked(name: str, value: Any, before: Any) -> Any:
    if name in _WORDS and value not in _WORDS[name]:
        raise ValueError(f"{name} is one of {', '.join(_WORDS[name])}")
    if isinstance(before, tuple):
        return tuple(str(each) for each in value)
    if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(before):
        raise ValueError(f"{name} takes a {type(before).__name__}, not {value!r}")
    return value
