"""What every route does alike: policy, body, answer, idempotency."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ota.core.errors import BadRequest, Unavailable
from ota.web.endpoint import endpoint
from tests.web.conftest import Door, Post
from tests.web.platform import Things

THING = {"name": "gate", "amount": 7, "note": "0aff"}


def test_a_body_becomes_a_value_and_a_value_an_answer(make: Post, things: Things) -> None:
    answer = make(THING)

    assert answer.status_code == 201
    assert answer.data == b'{"name":"gate","amount":7,"note":"0AFF"}'
    assert things.made[0].note == b"\x0a\xff"


def test_path_values_come_first_and_the_body_last(client: FlaskClient, door: Door) -> None:
    answer = client.post("/v1/things/me/named/x", json=THING, headers=door.headers())

    assert answer.json == {"owner": "me", "name": "x", "thing": "gate", "caller": "wallet-1"}


def test_a_query_is_parsed(client: FlaskClient, door: Door) -> None:
    headers = door.headers()

    answer = client.get("/v1/things/x?page=3", headers=headers)
    unknown = client.get("/v1/things/x?pages=3", headers=headers)

    assert answer.json == {"name": "x", "page": 3}
    assert unknown.status_code == 400


def test_a_stored_answer_goes_out_byte_for_byte(client: FlaskClient, door: Door) -> None:
    answer = client.get("/v1/things/stored", headers=door.headers())

    assert answer.data == b'{"b": 1,  "a": 2}'
    assert answer.mimetype == "application/json"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer " + "x" * 5000, "Bearer a.b.c"],
)
def test_no_proof_no_answer(client: FlaskClient, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = client.get("/v1/things/x", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json is not None
    assert answer.json["code"] == "unauthenticated"


def test_a_token_without_the_scope_is_refused_before_the_body_is_read(
    client: FlaskClient, door: Door
) -> None:
    answer = client.post("/v1/things", data=b"{broken", headers=door.headers("gate-7"))

    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["code"] == "scope_missing"


def test_a_route_without_a_policy_is_refused(client: FlaskClient, door: Door) -> None:
    answer = client.get("/v1/things/undeclared", headers=door.headers())

    assert answer.status_code == 403
    assert b"never sent" not in answer.data


@pytest.mark.parametrize("declared", [{}, {"scope": "a:b", "public": True}, {"scope": "a:b", "signed": True}])
def test_a_route_declares_exactly_one_policy(declared: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="one of a scope, public=True and signed=True"):
        endpoint(**declared)  # type: ignore[arg-type]


def test_the_same_key_gets_the_same_bytes_and_nothing_happens_twice(make: Post, things: Things) -> None:
    first = make(THING, Idempotency_Key="k-1")

    again = make(THING, Idempotency_Key="k-1")

    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(things.made) == 1


def test_the_same_key_with_another_body_is_refused(make: Post, things: Things) -> None:
    make(THING, Idempotency_Key="k-1")

    answer = make(THING | {"amount": 8}, Idempotency_Key="k-1")

    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["code"] == "idempotency_key_reused"
    assert len(things.made) == 1


def test_keys_of_two_callers_do_not_meet(make: Post, door: Door, client: FlaskClient, things: Things) -> None:
    make(THING, Idempotency_Key="k-1")
    other = door.headers("gate-7", **{"Idempotency-Key": "k-1"})

    answer = client.post("/v1/things", json=THING, headers=other)

    assert answer.status_code == 403
    assert len(things.made) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel", "a\x7fb"])
def test_a_missing_or_odd_key_is_refused(make: Post, things: Things, key: str) -> None:
    answer = make(THING, Idempotency_Key=key)

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["code"] == "idempotency_key_missing"
    assert not things.made


def test_a_refused_request_leaves_its_key_unused(make: Post, things: Things) -> None:
    things.fail_with = BadRequest()
    refused = make(THING, Idempotency_Key="k-1")
    things.fail_with = None

    answer = make(THING | {"amount": 9}, Idempotency_Key="k-1")

    assert (refused.status_code, answer.status_code) == (400, 201)


def test_a_request_that_must_be_repeated_keeps_its_key_to_itself(make: Post, things: Things) -> None:
    things.fail_with = Unavailable()
    down = make(THING, Idempotency_Key="k-1")
    things.fail_with = None

    changed = make(THING | {"amount": 9}, Idempotency_Key="k-1")
    repeated = make(THING, Idempotency_Key="k-1")

    assert [down.status_code, changed.status_code, repeated.status_code] == [503, 422, 201]


def test_a_mistake_of_ours_releases_the_key_too(app: Flask, make: Post, things: Things) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    things.fail_with = RuntimeError("a bug")
    broken = make(THING, Idempotency_Key="k-1")
    things.fail_with = None

    repeated = make(THING, Idempotency_Key="k-1")

    assert (broken.status_code, repeated.status_code) == (500, 201)
