import pytest

from syncd.core.model import REASONS, Hold
from syncd.core.outcome import Outcome
from syncd.observability.remedies import REMEDIES, remedy_of
from syncd.observability.state import State


@pytest.mark.parametrize("each", State)
def test_every_state_has_its_words_its_code_and_its_remedy(each: State) -> None:
    assert each.words
    assert each.code == each.outcome.exit_code
    assert isinstance(each.remedy("clinic"), str)


def test_whatever_needs_a_person_says_what_to_do() -> None:
    for each in State:
        if each.code:
            assert each.remedy("clinic"), each


def test_states_stand_in_the_order_of_the_exit_codes() -> None:
    severities = [each.outcome.severity for each in State]
    assert severities == sorted(severities)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_a_state_of_the_same_name(outcome: Outcome) -> None:
    assert (State.of(outcome).value, State.of(outcome).outcome) == (outcome.value, outcome)


def test_an_outcome_of_another_version_is_a_fault() -> None:
    assert State.of("new_outcome") is State.FAULT


def test_every_reason_of_the_contract_has_a_command_that_lets_it_go() -> None:
    assert set(REMEDIES) == set(REASONS)
    for reason in REASONS:
        hold = Hold(hubspot_id="501", reason=reason, detail="…")
        for command in remedy_of(hold).commands_for(hold):
            assert command.startswith("syncd ")
            assert "{" not in command
        assert remedy_of(hold).commands


def test_a_reason_of_another_version_has_a_remedy_as_well() -> None:
    hold = Hold(ghl_id="g1", reason="new_reason", detail="…")
    assert remedy_of(hold).commands_for(hold) == ("syncd retry g1",)
