"""The API as its callers see it."""

from __future__ import annotations

import json

import pytest

from ota.sandbox.api import PAUSES_S, Api, Refused
from ota.sandbox.connection import Unreachable
from tests.sandbox.connections import Planned, ScriptedConnection

PROBLEM = {"code": "amount_outside_limits", "detail": "Too much.", "retryable": False, "next_action": "none"}
BUSY = {"code": "busy", "retryable": True}


def api(connection: ScriptedConnection, pauses: list[float] | None = None) -> Api:
    return Api(connection, pause=(pauses if pauses is not None else []).append)


def test_a_post_carries_token_key_and_json() -> None:
    connection = ScriptedConnection((201, {"order_id": "top_1"}))

    answer = api(connection).post("/v1/topups", "tok", {"city": "广州"}, "key-1")

    method, path, headers, body = connection.requests[0]
    assert answer == {"order_id": "top_1"}
    assert (method, path) == ("POST", "/v1/topups")
    assert headers["Authorization"] == "Bearer tok"
    assert headers["Idempotency-Key"] == "key-1"
    assert json.loads(body or b"") == {"city": "广州"}


def test_a_problem_is_an_error_with_its_code() -> None:
    with pytest.raises(Refused, match=r"^422 amount_outside_limits: Too much") as caught:
        api(ScriptedConnection((422, PROBLEM))).get("/v1/x", "tok")

    assert (caught.value.status, caught.value.code, caught.value.problem) == (
        422,
        "amount_outside_limits",
        PROBLEM,
    )


@pytest.mark.parametrize(
    "answers",
    [
        [None, (200, {})],
        [(409, BUSY), (200, {})],
        [(503, {"code": "unavailable"}), None, (200, {})],
        [None, None, None, None, (200, {})],
    ],
)
def test_what_may_work_later_is_repeated_byte_for_byte(answers: list[Planned]) -> None:
    connection, pauses = ScriptedConnection(*answers), list[float]()

    answer = api(connection, pauses).post("/v1/topups", "tok", {"a": 1}, "key-1")

    assert answer == {}
    assert len({(body, headers["Idempotency-Key"]) for _, _, headers, body in connection.requests}) == 1
    assert pauses == list(PAUSES_S[: len(answers) - 1])


def test_patience_ends() -> None:
    with pytest.raises(Unreachable):
        api(ScriptedConnection(*[None] * 5)).get("/v1/x", "tok")


def test_an_assertion_is_never_sent_twice() -> None:
    connection = ScriptedConnection(None)

    with pytest.raises(Unreachable):
        api(connection).post_form("/v1/token", "a=b")

    assert len(connection.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'"x"'])
@pytest.mark.parametrize("status", [200, 404])
def test_what_is_no_object_is_an_error(body: bytes, status: int) -> None:
    with pytest.raises(Refused) as caught:
        api(ScriptedConnection((status, body))).get_public("/v1/x")

    assert caught.value.code == "not_json"
