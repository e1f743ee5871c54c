"""The sixteen questions to a HubSpot account, each a function that asks and says what it saw.

`run` calls them in order. All work on scratch appointments that start far
beyond any link's window, and on one scratch contact. Two can be asked by
halves only: nothing restores an archived record but a person, and journals
take another kind of token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.doctor.probing.scratch import Scratch, Unasked, Untaken, said
from syncd.ports.clock import Clock
from syncd.providers.hubspot import mapping, refusals, schema, search, wire
from syncd.providers.hubspot.protocol import CONTACTS, Api
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request, Response

LONGEST_LAG = 60
"""Seconds after which a search that still does not show a record is given up."""


@dataclass(slots=True)
class ProbeContext:
    """What the questions share: scratch records, made when they are first wanted."""

    scratch: Scratch
    api: Api
    clock: Clock
    start: datetime
    """When scratch appointments start; UTC."""
    tag: str
    """The same in every probe of the link, so that one finds what another one left."""
    once: str
    """Another one in every probe, for values that archived records keep to themselves."""
    """A word of this probe's own, for addresses and ids."""
    stage: Mapping[str, str] = field(default_factory=dict)
    """The stage that scratch appointments begin in, where the account demands one."""
    _records: dict[str, str] = field(default_factory=dict)
    _known: Mapping[str, schema.Definition] = field(default_factory=dict)

    def ask(self, request: Request) -> Json:
        """The body of an answer that must be a success."""
        response = self.scratch.send(request)
        if not response.ok:
            raise Unasked(f"refused: {said(response)}")
        return wire.mapping(response.payload)

    def definitions(self) -> Mapping[str, schema.Definition]:
        """The properties of the object."""
        self._known = self._known or schema.definitions(self.ask(self.api.properties()))
        return self._known

    def times(self) -> dict[str, str]:
        """The properties of a scratch appointment."""
        return {
            mapping.NAME: self._name,
            mapping.START: _written(self.start),
            mapping.END: _written(self.start + timedelta(minutes=30)),
        }

    def create(self, properties: Mapping[str, str], object_type: str = "") -> str:
        """Make a record, which is removed in the end; gives its id."""
        try:
            response = self._send_new(properties, object_type)
        except Untaken as refused:
            found = wire.problem(refused.response.payload)
            if object_type or self.stage or not refusals.wants_a_stage(found):
                raise
            self.stage = schema.first_stage(self.ask(self.api.pipelines()))
            response = self._send_new(properties, object_type)
        made = wire.string(wire.mapping(response.payload).get("id"))
        self.remove_later(made, object_type)
        return made

    def _send_new(self, properties: Mapping[str, str], object_type: str) -> Response:
        kind = "HubSpot contact" if object_type else "HubSpot appointment"
        held = dict(properties) if object_type else {**self.stage, **properties}
        body = {"properties": held, "associations": []}
        path = self.api.objects(object_type)
        return self.scratch.create(
            kind, Request(method="POST", path=path, json=body, repeatable=False)
        )

    def remove_later(self, record: str, object_type: str = "") -> None:
        """Archive a record in the end."""
        kind = "HubSpot contact" if object_type else "HubSpot appointment"
        path = f"{self.api.objects(object_type)}/{record}"
        self.scratch.remove_later(f"{kind} {record}", Request(method="DELETE", path=path))

    def record(self, name: str = "main", **more: str) -> str:
        """A scratch appointment by a name of its own, made once."""
        if name not in self._records:
            self._records[name] = self.create(self.times() | more)
        return self._records[name]

    def contact(self) -> str:
        """The scratch contact, made once."""
        if "contact" not in self._records:
            mail = f"syncd-probe-{self.tag}@example.com"
            held = {"email": mail, "lastname": self._name}
            self._records["contact"] = self.create(held, CONTACTS)
        return self._records["contact"]

    def lost(self, settling: float) -> Iterator[tuple[str, Request]]:
        """What a probe of this link made and left, as far as the search shows it by then."""
        self.clock.sleep(settling)
        for object_type, name, value in (
            ("", mapping.NAME, self._name),
            (CONTACTS, "lastname", self._name),
        ):
            path = self.api.objects(object_type)
            filters = [{"propertyName": name, "operator": "EQ", "value": value}]
            body = {
                "filterGroups": [{"filters": filters}],
                "properties": [name],
                "sorts": [],
                "limit": 100,
                "after": "0",
            }
            request = Request(method="POST", path=f"{path}/search", json=body, kind="search")
            for row in _rows(self.scratch.send(request)):
                found = wire.string(wire.mapping(row).get("id"))
                yield (
                    f"HubSpot record {found}",
                    Request(method="DELETE", path=f"{path}/{found}"),
                )

    @property
    def _name(self) -> str:
        return f"syncd probe {self.tag}"

    def patch(self, record: str, properties: Mapping[str, str | None]) -> Response:
        """Change a record."""
        path = f"{self.api.objects()}/{record}"
        return self.scratch.send(
            Request(method="PATCH", path=path, json={"properties": dict(properties)})
        )

    def read(self, record: str, *names: str) -> Mapping[str, object]:
        """Properties of a record, as they came."""
        return wire.mapping(self.ask(self.api.get(record, names)).get("properties"))


def activation(context: ProbeContext) -> str:
    """Whether the object is activated."""
    told = context.ask(context.api.enablement()).get("enablement")
    return "yes" if told is True else f"the account answers {told!r}"


def properties(context: ProbeContext) -> str:
    """Which of the doubtful properties there are."""
    known = context.definitions()
    status = known.get(schema.NATIVE_STATUS)
    native = f"with {', '.join(status.options) or 'no values'}" if status else "is not there"
    length = known.get("hs_duration")
    writable = "is not there" if length is None else "read-only" if length.read_only else "writable"
    return f"{schema.NATIVE_STATUS} {native}; hs_duration {writable}"


def pipelines(context: ProbeContext) -> str:
    """Which stages there are, and whether a record can be made without one."""
    found = schema.stages(context.ask(context.api.pipelines()))
    shown = context.read(context.record(), mapping.STAGE, mapping.PIPELINE)
    stage = wire.string(shown.get(mapping.STAGE))
    got = f"it got {stage!r}" if stage else "it got none"
    without = "no record can be made" if context.stage else "a record can be made"
    stages = ", ".join(f"{each} of {pipeline}" for each, pipeline in found.items()) or "none"
    return f"stages: {stages}; {without} without one, and {got}"


def association_types(context: ProbeContext) -> str:
    """The type ids of the plain association."""
    there = wire.unlabelled_type(context.ask(context.api.labels()))
    back = context.scratch.send(
        Request(
            method="GET",
            path=f"/crm/associations/{context.api.version}/{CONTACTS}/{context.api.object_type}/labels",
        )
    )
    return (
        f"appointment to contact {there or 'unknown'}, contact to appointment "
        f"{wire.unlabelled_type(back.payload) or 'unknown'}"
    )


def unique_property(context: ProbeContext) -> str:
    """Whether a unique property can be made on the object."""
    found = context.definitions().get(mapping.GHL_ID)
    if found is None:
        raise Unasked(f"{schema.RUN_SETUP} first: it makes one, and says whether that worked")
    group = wire.string(context.ask(context.api.property(mapping.GHL_ID)).get("groupName"))
    demands = "demands unique values" if found.unique else "does not demand unique values"
    return f"{mapping.GHL_ID} is there in group {group!r} and {demands}"


def upsert_over_archived(context: ProbeContext) -> str:
    """What an upsert does where an archived record holds the unique value."""
    value, old = _archived_holder(context, "overwritten")
    held = {**context.stage, **context.times()}
    row = {"idProperty": mapping.GHL_ID, "id": value, "properties": held}
    path = f"{context.api.objects()}/batch/upsert"
    response = context.scratch.send(Request(method="POST", path=path, json={"inputs": [row]}))
    made = [wire.string(wire.mapping(each).get("id")) for each in _rows(response)]
    for each in made:
        context.remove_later(each)
    if not response.ok or not made:
        outcome = f"is refused: {said(response)}"
    elif made == [old]:
        outcome = "brings the archived record back"
    else:
        outcome = f"makes another record ({response.status})"
    return f"an upsert {outcome}; what a restore does then, only a person can see"


def archived_by_unique_value(context: ProbeContext) -> str:
    """Whether an archived record can be read by its unique value."""
    value, old = _archived_holder(context, "archived")
    request = context.api.batch_read([value], (), archived=True, id_property=mapping.GHL_ID)
    response = context.scratch.send(request)
    found = [wire.string(wire.mapping(each).get("id")) for each in _rows(response)]
    if found == [old]:
        return "yes"
    return "no" if response.ok else f"no: {said(response)}"


def merged_id(context: ProbeContext) -> str:
    """Whether the id of a merged record leads to the survivor."""
    one, two = context.record("survivor"), context.record("merged")
    keys = {"primaryObjectId": one, "objectIdToMerge": two}
    merged = context.ask(Request(method="POST", path=f"{context.api.objects()}/merge", json=keys))
    new = wire.string(merged.get("id"))
    if new not in {one, two}:
        context.remove_later(new)
    response = context.scratch.send(context.api.get(two, ()))
    led = wire.string(wire.mapping(response.payload).get("id"))
    kept = "keeps the first one's id" if new == one else "gets an id of its own"
    follows = "is answered with the survivor" if led == new else f"is answered {response.status}"
    return f"the survivor {kept}; the id of the merged record {follows}"


def search_lag(context: ProbeContext) -> str:
    """How late the search index shows a new record."""
    record = context.record("sought")
    window = search.ChangeWindow(
        since=context.clock.now() - timedelta(minutes=10),
        until=context.clock.now() + timedelta(minutes=10),
    )
    begun = context.clock.monotonic()
    while (waited := context.clock.monotonic() - begun) <= LONGEST_LAG:
        request = window.page(context.api.objects(), (), str(int(record) - 1))
        found = {
            wire.string(wire.mapping(each).get("id")) for each in _rows_of(context.ask(request))
        }
        if record in found:
            return f"at most {waited:.0f} s"
        context.clock.sleep(2)
    return f"more than {LONGEST_LAG} s: set hubspot.search_lag higher"


def association_moves_stamp(context: ProbeContext) -> str:
    """Whether a change of contacts alone moves the modification stamp."""
    record = context.record()
    before = context.read(record, mapping.MODIFIED).get(mapping.MODIFIED)
    context.clock.sleep(1)
    _associate(context, record)
    after = context.read(record, mapping.MODIFIED).get(mapping.MODIFIED)
    return "yes" if before != after else "no: such changes are found by the rotation only"


def secondary_email(context: ProbeContext) -> str:
    """Whether a contact is found by a further address."""
    contact = context.contact()
    further = f"syncd-probe-{context.tag}-{context.once}@example.com"
    path = f"{context.api.objects(CONTACTS)}/{contact}"
    body = {"properties": {"hs_additional_emails": further}}
    if not (changed := context.scratch.send(Request(method="PATCH", path=path, json=body))).ok:
        raise Unasked(f"a further address is refused: {said(changed)}")
    request = context.api.batch_read(
        [further], ("email",), id_property="email", object_type=CONTACTS
    )
    return "yes" if _rows(context.scratch.send(request)) else "no: a search has to look for it"


def end_before_start(context: ProbeContext) -> str:
    """Whether an end before the start is taken."""
    early = _written(context.start - timedelta(hours=1))
    response = context.patch(context.record("times"), {mapping.END: early})
    return "it is taken" if response.ok else f"it is refused: {said(response)}"


def empty_moment(context: ProbeContext) -> str:
    """How a point in time is cleared."""
    record = context.record("emptied")
    told = []
    for name, empty in (("null", None), ('""', "")):
        context.patch(record, {mapping.END: _written(context.start + timedelta(minutes=30))})
        response = context.patch(record, {mapping.END: empty})
        left = context.read(record, mapping.END).get(mapping.END)
        done = "clears it" if response.ok and not left else "leaves it"
        told.append(f"{name} {done}" if response.ok else f"{name} is refused ({response.status})")
    return "; ".join(told)


def journal(context: ProbeContext) -> str:
    """Whether the journal can be subscribed to for the object."""
    del context
    raise Unasked("journals take the token of an OAuth project app; a link has a static token")


def default_association(context: ProbeContext) -> str:
    """Whether the default route associates with this kind of token."""
    response = _associate(context, context.record())
    return "yes" if response.ok else f"no: {said(response)}"


def own_writes(context: ProbeContext) -> str:
    """Which source the history names for our own writes."""
    record = context.record()
    request = context.api.batch_read([record], (), history=(mapping.NAME,))
    (row, *_) = _rows_of(context.ask(request)) or [{}]
    history = wire.mapping(wire.mapping(row).get("propertiesWithHistory"))
    entries = [wire.mapping(each) for each in wire.items(history.get(mapping.NAME))]
    named = {f"{each.get('sourceType')} {each.get('sourceId') or ''}".strip() for each in entries}
    return ", ".join(sorted(named)) or "the history is empty"


QUESTIONS: tuple[tuple[str, Callable[[ProbeContext], str]], ...] = (
    ("Are appointments activated?", activation),
    ("Which doubtful properties are there?", properties),
    ("Which stages, and is one needed?", pipelines),
    ("Which association types?", association_types),
    ("Can the object have a unique property?", unique_property),
    ("What does an upsert over an archived holder do?", upsert_over_archived),
    ("Is an archived record read by its unique value?", archived_by_unique_value),
    ("Does a merged record's id lead to the survivor?", merged_id),
    ("How late does the search show a change?", search_lag),
    ("Does a change of contacts move the stamp?", association_moves_stamp),
    ("Is a contact found by a further address?", secondary_email),
    ("Is an end before the start taken?", end_before_start),
    ("How is a point in time cleared?", empty_moment),
    ("Can the journal be subscribed to?", journal),
    ("Does the default route associate?", default_association),
    ("Whose are our own writes in the history?", own_writes),
)


def _archived_holder(context: ProbeContext, name: str) -> tuple[str, str]:
    """A unique value that an archived record holds, and that record's id."""
    if mapping.GHL_ID not in context.definitions():
        raise Unasked(f"{schema.RUN_SETUP} first: it makes the unique property")
    value = f"syncd-probe-{context.tag}-{context.once}-{name}"
    record = context.record(name, **{mapping.GHL_ID: value})
    context.scratch.send(Request(method="DELETE", path=f"{context.api.objects()}/{record}"))
    return value, record


def _associate(context: ProbeContext, record: str) -> Response:
    return context.scratch.send(context.api.associate(record, context.contact()))


def _rows(response: Response) -> list[object]:
    return _rows_of(wire.mapping(response.payload)) if response.ok else []


def _rows_of(body: Json) -> list[object]:
    return list(wire.items(body.get("results")))


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
