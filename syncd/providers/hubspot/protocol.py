"""HubSpot's requests as values: paths, queries and bodies; no I/O.

The other modules build requests here and send them through `session`. Paths
are those of the dated API versions (`2026-03`; appointments, associations,
properties, pipelines, owners and object-library references). Leaves out
searches (`search`) and the meaning of answers (`wire`, `refusals`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from syncd.core.model import Side
from syncd.ports.refusals import Asked
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request, segment

CONTACTS: Final = "contacts"
CONTACT_TYPE: Final = "0-1"
APPOINTMENT_TYPE: Final = "0-421"
BATCH: Final = 100
"""Inputs of one object batch (using-object-apis guide); the specifications name no limit."""
HISTORY_BATCH: Final = 50
"""Inputs of a batch read with history; more is a 400 that names it
(reported, read 2026-11-20)."""
ASSOCIATION_BATCH: Final = 1000
"""Inputs of an associations batch read (associations guide)."""
PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The endpoints of one account's object, in one version of the API."""

    version: str
    object_type: str

    # --- the object

    def objects(self, object_type: str = "") -> str:
        """The path of an object type's records."""
        return f"/crm/objects/{self.version}/{object_type or self.object_type}"

    def list(self, properties: Sequence[str], *, archived: bool, after: str = "") -> Request:
        """One page of every record; associations only of active ones.

        The list of properties is comma separated: repeated keys would make long
        URLs longer, and too long a URL is a 414 (reported, read 2026-11-20).
        """
        query = {
            "limit": str(PAGE),
            "properties": ",".join(properties),
            "archived": "true" if archived else "false",
        }
        if not archived:
            query["associations"] = CONTACTS
        if after:
            query["after"] = after
        asked = Asked.PART if archived else Asked.SIDE
        return Request(method="GET", path=self.objects(), query=query, asked=asked)

    def first_of(self, object_type: str = "") -> Request:
        """Any one record, to see whether the account answers."""
        path = self.objects(object_type)
        return Request(method="GET", path=path, query={"limit": "1"}, asked=Asked.SIDE)

    def get(
        self,
        record_id: str,
        properties: Sequence[str],
        object_type: str = "",
        *,
        archived: bool = False,
    ) -> Request:
        """One record; the id of a merged one is answered with the survivor."""
        query = {"properties": ",".join(properties)}
        if archived:
            query["archived"] = "true"
        path = f"{self.objects(object_type)}/{_segment(record_id)}"
        return Request(method="GET", path=path, query=query)

    def batch_read(
        self,
        ids: Iterable[str],
        properties: Sequence[str],
        *,
        archived: bool = False,
        id_property: str = "",
        history: Sequence[str] = (),
        object_type: str = "",
    ) -> Request:
        """Records by id, or by a unique property; `archived` asks for archived ones only.

        A record's own id needs no `idProperty`: `hs_object_id` is refused there
        (reported, read 2026-11-20).
        """
        body: dict[str, object] = {
            "inputs": [{"id": each} for each in ids],
            "properties": [*properties],
            "propertiesWithHistory": [*history],
        }
        if id_property:
            body["idProperty"] = id_property
        return Request(
            method="POST",
            path=f"{self.objects(object_type)}/batch/read",
            query={"archived": "true"} if archived else {},
            json=body,
            asked=Asked.RECORDS,
        )

    def create_contact(self, properties: Mapping[str, str], *, repeatable: bool) -> Request:
        """Create a contact; repeatable only with an e-mail address, which prevents a duplicate."""
        return Request(
            method="POST",
            path=self.objects(CONTACTS),
            json={"properties": dict(properties), "associations": []},
            asked=Asked.WRITE,
            repeatable=repeatable,
        )

    def batch_create(self, inputs: Sequence[Json], object_type: str = "") -> Request:
        """Create records, each with its own trace id; not repeatable."""
        return self._batch("create", inputs, repeatable=False, object_type=object_type)

    def batch_update(self, inputs: Sequence[Json], object_type: str = "") -> Request:
        """Change properties of records; repeatable."""
        return self._batch("update", inputs, repeatable=True, object_type=object_type)

    def batch_archive(self, ids: Iterable[str]) -> Request:
        """Move records to the recycling bin; 204 for unknown ids too (reported, 2026-11-20)."""
        return self._batch("archive", [{"id": each} for each in ids], repeatable=True)

    def _batch(
        self, verb: str, inputs: Sequence[Json], *, repeatable: bool, object_type: str = ""
    ) -> Request:
        return Request(
            method="POST",
            path=f"{self.objects(object_type)}/batch/{verb}",
            json={"inputs": [*inputs]},
            asked=Asked.WRITES,
            repeatable=repeatable,
        )

    # --- associations with contacts

    def associations(self, inputs: Iterable[tuple[str, str]]) -> Request:
        """What records are associated with: pairs of a record's id and the next page."""
        return _linked(self._links(), inputs)

    def appointments_of(self, inputs: Iterable[tuple[str, str]]) -> Request:
        """What contacts are associated with; pairs as in `associations`."""
        ends = f"/crm/associations/{self.version}/{CONTACT_TYPE}/{self.object_type}"
        return _linked(ends, inputs)

    def labels(self) -> Request:
        """The kinds of association between the object and contacts."""
        return Request(method="GET", path=f"{self._links()}/labels", asked=Asked.BESIDE)

    def associate(self, record_id: str, contact: str) -> Request:
        """Associate by the default route, which needs no type id."""
        ends = (f"{self.objects()}/{_segment(record_id)}", f"{CONTACT_TYPE}/{_segment(contact)}")
        path = "/associations/default/".join(ends)
        return Request(method="PUT", path=path, asked=Asked.WRITE)

    def dissociate(self, record_id: str, contact: str) -> Request:
        """Remove every association between the two."""
        ends = (f"{self.objects()}/{_segment(record_id)}", f"{CONTACT_TYPE}/{_segment(contact)}")
        path = "/associations/".join(ends)
        return Request(method="DELETE", path=path, asked=Asked.WRITE)

    def batch_associate(self, record_id: str, contact: str) -> Request:
        """The same as `associate`, by the batch route of associations."""
        row = {"from": {"id": record_id}, "to": {"id": contact}}
        return self._association("associate/default", row)

    def batch_dissociate(self, record_id: str, contact: str) -> Request:
        """The same as `dissociate`, by the batch route of associations."""
        return self._association("archive", {"from": {"id": record_id}, "to": [{"id": contact}]})

    def _association(self, verb: str, row: Json) -> Request:
        path = f"{self._links()}/batch/{verb}"
        body = {"inputs": [row]}
        return Request(method="POST", path=path, json=body, asked=Asked.WRITE, repeatable=True)

    def _links(self) -> str:
        return f"/crm/associations/{self.version}/{self.object_type}/{CONTACT_TYPE}"

    # --- the account

    def enablement(self) -> Request:
        """Whether the object is activated; no request activates it."""
        return Request(
            method="GET",
            path=f"/crm/object-library/{self.version}/enablement/{self.type_id}",
            asked=Asked.BESIDE,
        )

    @property
    def type_id(self) -> str:
        """The object type by its number, whatever it is called in the configuration."""
        named = self.object_type in {"appointment", "appointments"}
        return APPOINTMENT_TYPE if named else self.object_type

    def details(self) -> Request:
        """The account: its number and the address of its pages (account information guide)."""
        path = f"/account-info/{self.version}/details"
        return Request(method="GET", path=path, asked=Asked.BESIDE)

    def schema(self, object_type: str = "") -> Request:
        """The schema of an object, which names what a new record needs (schemas reference)."""
        path = f"/crm-object-schemas/{self.version}/schemas/{object_type or self.object_type}"
        return Request(method="GET", path=path, asked=Asked.BESIDE)

    def properties(self) -> Request:
        """Every property definition of the object."""
        return Request(method="GET", path=self._properties(), asked=Asked.SIDE)

    def property(self, name: str) -> Request:
        """One property definition."""
        return Request(method="GET", path=f"{self._properties()}/{_segment(name)}")

    def create_property(self, body: Json) -> Request:
        """Create a property; an archived one of that name is restored (reported, 2026-11-20)."""
        return Request(method="POST", path=self._properties(), json=body, asked=Asked.SIDE)

    def update_property(self, name: str, body: Json) -> Request:
        """Change a property definition."""
        path = f"{self._properties()}/{_segment(name)}"
        return Request(method="PATCH", path=path, json=body, asked=Asked.SIDE)

    def property_groups(self) -> Request:
        """The groups of properties."""
        return Request(method="GET", path=f"{self._properties()}/groups", asked=Asked.SIDE)

    def create_property_group(self, name: str, label: str) -> Request:
        """Create a group."""
        return Request(
            method="POST",
            path=f"{self._properties()}/groups",
            json={"name": name, "label": label},
            asked=Asked.SIDE,
        )

    def _properties(self) -> str:
        return f"/crm/properties/{self.version}/{self.object_type}"

    def pipelines(self) -> Request:
        """The object's pipelines with their stages."""
        path = f"/crm/pipelines/{self.version}/{self.object_type}"
        return Request(method="GET", path=path, asked=Asked.SIDE)

    def owners(self, *, archived: bool, after: str = "") -> Request:
        """One page of owners; deactivated users are archived only (owners guide)."""
        query = {"limit": str(PAGE), "archived": "true" if archived else "false"}
        if after:
            query["after"] = after
        path = f"/crm/owners/{self.version}"
        return Request(method="GET", path=path, query=query, asked=Asked.BESIDE)


def _segment(raw: str) -> str:
    return segment(raw, Side.HUBSPOT)


def _linked(ends: str, inputs: Iterable[tuple[str, str]]) -> Request:
    rows = [{"id": each, "after": after} if after else {"id": each} for each, after in inputs]
    return Request(
        method="POST", path=f"{ends}/batch/read", json={"inputs": rows}, asked=Asked.RECORDS
    )


# --- rows of batches


def create_row(trace: str, properties: Mapping[str, str], contact: str, type_id: int) -> Json:
    """A row of a batch create; with `type_id` 0 it is created without its association.

    With distinct trace ids a batch may succeed in part; without them one bad
    row refuses all (error-handling guide, 2026-03).
    """
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
    link = {"to": {"id": contact}, "types": [kind]}
    return {
        "objectWriteTraceId": trace,
        "properties": dict(properties),
        "associations": [link] if contact and type_id else [],
    }


def update_row(trace: str, record_id: str, properties: Mapping[str, str]) -> Json:
    """A row of a batch update."""
    return {"objectWriteTraceId": trace, "id": record_id, "properties": dict(properties)}
