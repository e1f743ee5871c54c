from syncd.core.outcome import Outcome, worst_code


def test_every_outcome_has_an_exit_code_of_its_own() -> None:
    assert sorted(outcome.exit_code for outcome in Outcome) == list(range(8))


def test_outcomes_are_listed_worst_first() -> None:
    assert [outcome.severity for outcome in Outcome] == list(range(8))
    assert min(Outcome, key=lambda outcome: outcome.severity) is Outcome.FAULT
    assert max(Outcome, key=lambda outcome: outcome.severity) is Outcome.OK


def test_the_worst_of_several_links_counts() -> None:
    assert worst_code([0, 3, 7, 6]) == 6
    assert worst_code([0, 0]) == 0
    assert worst_code([]) == 0
