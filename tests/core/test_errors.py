import pytest

from ota.core.errors import (
    Busy,
    CardProblem,
    InvalidReport,
    InvalidValue,
    NextAction,
    NotInThisState,
    OtaError,
)


def test_an_error_speaks_both_languages_and_says_what_to_do() -> None:
    error = Busy()

    assert error.problem_code == "busy"
    assert error.may_retry
    assert error.action is NextAction.RETRY_SAME_KEY
    assert set(error.message) == {"en", "zh-CN"}
    assert str(error) == error.message["en"]


def test_what_the_raiser_knows_better_wins_over_the_class() -> None:
    error = CardProblem(
        code="c", english="e", chinese="z", next_action=NextAction.NONE, retryable=True, details={"k": 1}
    )

    assert (error.problem_code, error.action, error.may_retry) == ("c", NextAction.NONE, True)
    assert dict(error.message) == {"en": "e", "zh-CN": "z"}
    assert dict(error.details) == {"k": 1}


def test_an_error_that_may_be_retried_by_class_can_be_made_final() -> None:
    assert not Busy(retryable=False).may_retry


def test_an_invalid_value_names_field_and_expectation() -> None:
    error = InvalidValue("amount_fen", "a whole number")

    assert dict(error.details) == {"field": "amount_fen", "expected": "a whole number"}
    assert "amount_fen" in error.message["zh-CN"]


def test_an_invalid_report_leads_to_a_resume() -> None:
    error = InvalidReport("it lies")

    assert error.action is NextAction.RESUME
    assert "it lies" in str(error)


def test_a_step_that_does_not_exist_names_subject_state_and_event() -> None:
    error = NotInThisState("top-up", "PAID", "LOAD_PROVEN")

    assert dict(error.details) == {"subject": "top-up", "state": "PAID", "event": "LOAD_PROVEN"}


def _all(kind: type[OtaError]) -> list[type[OtaError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _all(below))]


def test_the_errors_of_core_have_codes_of_their_own() -> None:
    codes = [kind.code for kind in _all(OtaError) if kind.__module__.startswith("ota.core.")]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("field", ["details", "message"])
def test_an_error_does_not_change_once_raised(field: str) -> None:
    with pytest.raises(TypeError):
        getattr(Busy(), field)["en"] = "other"
