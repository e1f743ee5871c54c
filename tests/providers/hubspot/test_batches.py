"""Which orders travel together."""

from hypothesis import given
from hypothesis import strategies as st

from syncd.ports.provider import CommandKind, WriteCommand
from syncd.providers.hubspot.batches import MAX_DELAY, batches
from syncd.providers.hubspot.protocol import BATCH

KINDS = st.sampled_from(list(CommandKind))


def _commands(*rows: tuple[CommandKind, str]) -> list[WriteCommand]:
    return [
        WriteCommand(key=f"k{place}", kind=kind, id="" if kind is CommandKind.CREATE else record)
        for place, (kind, record) in enumerate(rows)
    ]


@given(rows=st.lists(st.tuples(KINDS, st.sampled_from("abc")), max_size=40))
def test_every_command_is_sent_once_with_its_kind_and_without_its_duplicate(
    rows: list[tuple[CommandKind, str]],
) -> None:
    commands = _commands(*rows)
    found = list(batches(commands))
    assert sorted(each.key for batch in found for each in batch) == sorted(
        each.key for each in commands
    )
    for batch in found:
        assert len({each.kind for each in batch}) == 1
        ids = [each.id for each in batch if each.id]
        assert len(ids) == len(set(ids))


@given(rows=st.lists(st.tuples(KINDS, st.sampled_from("abc")), max_size=40))
def test_commands_for_one_record_keep_their_sequence(rows: list[tuple[CommandKind, str]]) -> None:
    sent = [each for batch in batches(_commands(*rows)) for each in batch if each.id]
    for record in "abc":
        places = [int(each.key[1:]) for each in sent if each.id == record]
        assert places == sorted(places)


def test_full_batches_are_sent_as_soon_as_they_are_full() -> None:
    rows = [(CommandKind.CREATE, "")] * (2 * BATCH + 1)
    assert [len(batch) for batch in batches(_commands(*rows))] == [BATCH, BATCH, 1]


def test_an_urgent_update_does_not_wait_for_the_end_of_a_backfill() -> None:
    rows = [(CommandKind.UPDATE, "urgent"), *[(CommandKind.CREATE, "")] * 5_000]
    sent = [each for batch in batches(_commands(*rows)) for each in batch]
    assert [each.id for each in sent].index("urgent") <= MAX_DELAY
