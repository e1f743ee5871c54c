"""What a refusal means, and how it is said."""

import pytest

from syncd.errors import AuthFailed, NotFound, NotPrepared, Rejected, Stale, SyncdError, Unavailable
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.refusals import lacks_a_value, of_row, refusal
from syncd.providers.hubspot.wire import problem
from syncd.providers.message import Request, Response

LIST = "/crm/objects/2026-03/0-421"


def _refusal(status: int, method: str = "GET", path: str = LIST, **body: object) -> SyncdError:
    return refusal(
        Request(method=method, path=path),
        Response(status=status, payload={"message": "No", **body}),
    )


@pytest.mark.parametrize(
    ("status", "method", "path", "kind"),
    [
        (401, "GET", LIST, AuthFailed),
        (403, "GET", LIST, NotPrepared),
        (403, "POST", f"{LIST}/search", NotPrepared),
        (403, "POST", f"{LIST}/batch/read", NotPrepared),
        (403, "POST", f"{LIST}/batch/create", AuthFailed),
        (403, "PUT", f"{LIST}/501/associations/default/0-1/7", Rejected),
        (403, "DELETE", f"{LIST}/501/associations/0-1/7", Rejected),
        (403, "POST", "/crm/objects/2026-03/contacts/batch/read", AuthFailed),
        (403, "GET", "/crm/owners/2026-03", AuthFailed),
        (404, "GET", LIST, NotPrepared),
        (400, "GET", LIST, Rejected),
        (404, "POST", f"{LIST}/batch/read", NotPrepared),
        (404, "POST", f"{LIST}/search", NotPrepared),
        (404, "GET", f"{LIST}/501", NotFound),
        (404, "PUT", f"{LIST}/501/associations/default/0-1/7", NotFound),
        (400, "POST", f"{LIST}/batch/create", Rejected),
        (409, "POST", "/crm/objects/2026-03/contacts", Rejected),
        (414, "GET", LIST, Rejected),
    ],
)
def test_each_status_means_one_thing_on_each_path(
    status: int, method: str, path: str, kind: type[SyncdError]
) -> None:
    assert type(_refusal(status, method, path)) is kind


def test_a_missing_scope_is_named_and_is_not_a_bad_token() -> None:
    detail = {"context": {"requiredGranularScopes": ["crm.objects.appointments.read"]}}
    error = _refusal(403, category="MISSING_SCOPES", errors=[detail])
    assert isinstance(error, AuthFailed)
    assert error.missing_scope
    assert "crm.objects.appointments.read" in str(error)


def test_an_object_that_is_not_there_says_what_a_person_does() -> None:
    assert "activate appointments in HubSpot" in str(_refusal(404))


def test_a_type_that_the_account_cannot_infer_is_not_activated() -> None:
    error = _refusal(400, message="Unable to infer object type from: 0-421")
    assert isinstance(error, NotPrepared)
    assert "activate appointments" in str(error)


def test_the_correlation_id_is_kept_for_the_vendors_support() -> None:
    assert "abc-1" in str(_refusal(400, correlationId="abc-1"))


def test_a_row_that_was_only_in_the_way_of_a_limit_is_tried_again() -> None:
    assert isinstance(of_row(problem({"category": "RATE_LIMITS"})), Unavailable)


def test_a_row_whose_record_vanished_is_planned_again() -> None:
    assert isinstance(of_row(problem({"category": "OBJECT_NOT_FOUND"})), Stale)


def test_personal_data_in_a_refusal_is_not_repeated() -> None:
    error = of_row(problem({"message": "ada@example.com (+1 555 010 0101) is taken"}))
    assert "ada@example.com" not in str(error)
    assert "010 0101" not in str(error)


def test_a_token_is_never_printed() -> None:
    token = Token("pat-eu1-canary")
    assert "canary" not in f"{token!r} {token}"
    assert token.headers() == {"Authorization": "Bearer pat-eu1-canary"}


@pytest.mark.parametrize(
    "said",
    [
        {"errors": [{"code": "MISSING_REQUIRED_PROPERTY", "context": {"propertyName": ["a"]}}]},
        {"errors": [{"code": "MISSING_CONDITIONAL_REQUIRED_PROPERTY", "context": {"x": 1}}]},
        {
            "message": "Error creating APPOINTMENT. Some required properties were not set.",
            "context": {"properties": ["a"]},
        },
    ],
)
def test_a_value_that_the_account_demands_is_distinguished(said: dict[str, object]) -> None:
    assert lacks_a_value(problem(said))
    assert not lacks_a_value(problem({"category": "VALIDATION_ERROR", "message": "No"}))
