"""The sixteen questions to a HubSpot account, each a function that returns the answer.

`run` calls them in order. All work on scratch appointments that start far
beyond any link's window, and on one scratch contact. Two can be asked by
halves only: nothing restores an archived record but a person, and journals
take another kind of token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.doctor.probing.scratch import CannotAsk, CreationRefused, Scratch, refusal_text
from syncd.ports.clock import Clock
from syncd.providers.hubspot import mapping, refusals, schema, search, wire
from syncd.providers.hubspot.protocol import CONTACTS, Api
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request, Response

LONGEST_LAG = 60
"""Seconds after which the question gives up waiting for the search to show a record."""


@dataclass(slots=True)
class ProbeContext:
    """What the questions share: scratch records, created when they are first needed."""

    scratch: Scratch
    api: Api
    clock: Clock
    start: datetime
    """When scratch appointments start; UTC."""
    tag: str
    """The same in every probe of the link, so that a probe finds the records of an earlier one."""
    once: str
    """Different in every probe, for addresses and unique values that archived records keep."""
    stage: Mapping[str, str] = field(default_factory=dict)
    """The first stage of scratch appointments, if the account requires one."""
    _records: dict[str, str] = field(default_factory=dict)
    _known: Mapping[str, schema.Definition] = field(default_factory=dict)

    def ask(self, request: Request) -> Json:
        """The body of an answer that must be a success."""
        response = self.scratch.send(request)
        if not response.ok:
            raise CannotAsk(f"refused: {refusal_text(response)}")
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
        """Create a record, which is removed at the end; returns its id."""
        try:
            response = self._send_new(properties, object_type)
        except CreationRefused as refused:
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
        """Archive a record at the end."""
        kind = "HubSpot contact" if object_type else "HubSpot appointment"
        path = f"{self.api.objects(object_type)}/{record}"
        self.scratch.remove_later(f"{kind} {record}", Request(method="DELETE", path=path))

    def record(self, name: str = "main", **more: str) -> str:
        """A scratch appointment for each name, created once."""
        if name not in self._records:
            self._records[name] = self.create(self.times() | more)
        return self._records[name]

    def contact(self) -> str:
        """The scratch contact, created once."""
        if "contact" not in self._records:
            mail = f"syncd-probe-{self.tag}@example.com"
            held = {"email": mail, "lastname": self._name}
            self._records["contact"] = self.create(held, CONTACTS)
        return self._records["contact"]

    def leftovers(self, settling: float) -> Iterator[tuple[str, Request]]:
        """Records that a probe of this link left, as far as the search shows them by then."""
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
    answer = context.ask(context.api.enablement()).get("enablement")
    return "yes" if answer is True else f"the account answers {answer!r}"


def properties(context: ProbeContext) -> str:
    """Which of the uncertain properties exist."""
    known = context.definitions()
    status = known.get(schema.NATIVE_STATUS)
    native = f"with {', '.join(status.options) or 'no values'}" if status else "is not there"
    length = known.get("hs_duration")
    writable = "is not there" if length is None else "read-only" if length.read_only else "writable"
    return f"{schema.NATIVE_STATUS} {native}; hs_duration {writable}"


def pipelines(context: ProbeContext) -> str:
    """Which stages exist, and whether a record can be created without one."""
    found = schema.stages(context.ask(context.api.pipelines()))
    shown = context.read(context.record(), mapping.STAGE, mapping.PIPELINE)
    stage = wire.string(shown.get(mapping.STAGE))
    got = f"it got {stage!r}" if stage else "it got none"
    without = "no record can be created" if context.stage else "a record can be created"
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
    """Whether the object can have a unique property."""
    found = context.definitions().get(mapping.GHL_ID)
    if found is None:
        raise CannotAsk(f"{schema.RUN_SETUP} first: it creates one and reports the result")
    group = wire.string(context.ask(context.api.property(mapping.GHL_ID)).get("groupName"))
    demands = "requires unique values" if found.unique else "does not require unique values"
    return f"{mapping.GHL_ID} is there in group {group!r} and {demands}"


def upsert_over_archived(context: ProbeContext) -> str:
    """What an upsert does if an archived record has the unique value."""
    value, old = _archived_holder(context, "overwritten")
    held = {**context.stage, **context.times()}
    row = {"idProperty": mapping.GHL_ID, "id": value, "properties": held}
    path = f"{context.api.objects()}/batch/upsert"
    response = context.scratch.send(Request(method="POST", path=path, json={"inputs": [row]}))
    made = [wire.string(wire.mapping(each).get("id")) for each in _rows(response)]
    for each in made:
        context.remove_later(each)
    if not response.ok or not made:
        outcome = f"is refused: {refusal_text(response)}"
    elif made == [old]:
        outcome = "restores the archived record"
    else:
        outcome = f"creates another record ({response.status})"
    return f"an upsert {outcome}; only a person can test a restore after that"


def archived_by_unique_value(context: ProbeContext) -> str:
    """Whether an archived record can be read by its unique value."""
    value, old = _archived_holder(context, "archived")
    request = context.api.batch_read([value], (), archived=True, id_property=mapping.GHL_ID)
    response = context.scratch.send(request)
    found = [wire.string(wire.mapping(each).get("id")) for each in _rows(response)]
    if found == [old]:
        return "yes"
    return "no" if response.ok else f"no: {refusal_text(response)}"


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
    """After how many seconds the search index shows a new record."""
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
    """Whether a change of contacts alone changes the modification stamp."""
    record = context.record()
    before = context.read(record, mapping.MODIFIED).get(mapping.MODIFIED)
    context.clock.sleep(1)
    _associate(context, record)
    after = context.read(record, mapping.MODIFIED).get(mapping.MODIFIED)
    return "yes" if before != after else "no: such changes are found by the rotation only"


def secondary_email(context: ProbeContext) -> str:
    """Whether a contact is found by an additional address."""
    contact = context.contact()
    additional = f"syncd-probe-{context.tag}-{context.once}@example.com"
    path = f"{context.api.objects(CONTACTS)}/{contact}"
    body = {"properties": {"hs_additional_emails": additional}}
    if not (changed := context.scratch.send(Request(method="PATCH", path=path, json=body))).ok:
        raise CannotAsk(f"an additional address is refused: {refusal_text(changed)}")
    request = context.api.batch_read(
        [additional], ("email",), id_property="email", object_type=CONTACTS
    )
    return "yes" if _rows(context.scratch.send(request)) else "no: it needs a search"


def end_before_start(context: ProbeContext) -> str:
    """Whether an end before the start is accepted."""
    early = _written(context.start - timedelta(hours=1))
    response = context.patch(context.record("times"), {mapping.END: early})
    return "it is accepted" if response.ok else f"it is refused: {refusal_text(response)}"


def empty_moment(context: ProbeContext) -> str:
    """How a time is cleared."""
    record = context.record("emptied")
    answers = []
    for name, empty in (("null", None), ('""', "")):
        context.patch(record, {mapping.END: _written(context.start + timedelta(minutes=30))})
        response = context.patch(record, {mapping.END: empty})
        left = context.read(record, mapping.END).get(mapping.END)
        done = "clears it" if response.ok and not left else "leaves it"
        answers.append(
            f"{name} {done}" if response.ok else f"{name} is refused ({response.status})"
        )
    return "; ".join(answers)


def journal(context: ProbeContext) -> str:
    """Whether the journal can be subscribed to for the object."""
    del context
    raise CannotAsk("journals take the token of an OAuth project app; a link has a static token")


def default_association(context: ProbeContext) -> str:
    """Whether the default route associates with this kind of token."""
    response = _associate(context, context.record())
    return "yes" if response.ok else f"no: {refusal_text(response)}"


def own_writes(context: ProbeContext) -> str:
    """The source that the history names for syncd's own writes."""
    record = context.record()
    request = context.api.batch_read([record], (), history=(mapping.NAME,))
    (row, *_) = _rows_of(context.ask(request)) or [{}]
    history = wire.mapping(wire.mapping(row).get("propertiesWithHistory"))
    entries = [wire.mapping(each) for each in wire.items(history.get(mapping.NAME))]
    named = {f"{each.get('sourceType')} {each.get('sourceId') or ''}".strip() for each in entries}
    return ", ".join(sorted(named)) or "the history is empty"


QUESTIONS: tuple[tuple[str, Callable[[ProbeContext], str]], ...] = (
    ("Are appointments activated?", activation),
    ("Which uncertain properties exist?", properties),
    ("Which stages exist, and is one required?", pipelines),
    ("Which association types?", association_types),
    ("Can the object have a unique property?", unique_property),
    ("What does an upsert over an archived holder do?", upsert_over_archived),
    ("Is an archived record read by its unique value?", archived_by_unique_value),
    ("Does a merged record's id lead to the survivor?", merged_id),
    ("How late does the search show a change?", search_lag),
    ("Does a change of contacts change the stamp?", association_moves_stamp),
    ("Is a contact found by an additional address?", secondary_email),
    ("Is an end before the start accepted?", end_before_start),
    ("How is a time cleared?", empty_moment),
    ("Can the journal be subscribed to?", journal),
    ("Does the default route associate?", default_association),
    ("Which source has syncd's own write in the history?", own_writes),
)


def _archived_holder(context: ProbeContext, name: str) -> tuple[str, str]:
    """The unique value of an archived record, and that record's id."""
    if mapping.GHL_ID not in context.definitions():
        raise CannotAsk(f"{schema.RUN_SETUP} first: it creates the unique property")
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
