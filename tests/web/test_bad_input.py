"""Bad input gets a problem with a stable code, never a 5xx, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.conftest import Door, Post
from tests.web.platform import Things

GOOD = {"name": "gate", "amount": 7}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "malformed_json", id="empty"),
        pytest.param(b"{", "malformed_json", id="cut off"),
        pytest.param(b'{"name": "gate", "amount": NaN}', "malformed_json", id="NaN"),
        pytest.param(b'{"name": "gate", "amount": Infinity}', "malformed_json", id="infinity"),
        pytest.param(b'{"name": "\xff", "amount": 7}', "malformed_json", id="invalid UTF-8"),
        pytest.param(b'{"name": "\\ud800", "amount": 7}', "malformed_json", id="lone surrogate"),
        pytest.param(b'{"name": "a\\u0000b", "amount": 7}', "malformed_json", id="NUL in a value"),
        pytest.param(b'{"a\\u0000": 1}', "malformed_json", id="NUL in a name"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, "malformed_json", id="nested without end"),
        pytest.param(b'{"name":' + b"[" * 16 + b"]" * 16 + b"}", "malformed_json", id="nested too deep"),
        pytest.param(b"[]", "invalid_fields", id="a list"),
        pytest.param(b"7", "invalid_fields", id="a number"),
        pytest.param(b"null", "invalid_fields", id="null"),
        pytest.param(b"{}", "invalid_fields", id="nothing in it"),
        pytest.param(b'{"name": "gate", "amount": 7, "more": 1}', "invalid_fields", id="unknown field"),
        pytest.param(b'{"name": "gate", "amount": 7, "__proto__": {}}', "invalid_fields", id="odd field"),
        pytest.param(b'{"name": "", "amount": 7}', "invalid_fields", id="empty text"),
        pytest.param(b'{"name": "a\\nb", "amount": 7}', "invalid_fields", id="line break"),
        pytest.param(b'{"name": 5, "amount": 7}', "invalid_fields", id="number for text"),
        pytest.param(b'{"name": "gate", "amount": "7"}', "invalid_fields", id="text for number"),
        pytest.param(b'{"name": "gate", "amount": true}', "invalid_fields", id="boolean for number"),
        pytest.param(b'{"name": "gate", "amount": 7.5}', "invalid_fields", id="fraction"),
        pytest.param(b'{"name": "gate", "amount": -1}', "invalid_fields", id="below"),
        pytest.param(b'{"name": "gate", "amount": 1001}', "invalid_fields", id="above"),
        pytest.param(
            b'{"name": "gate", "amount": 1' + b"0" * 400 + b"}", "malformed_json", id="beyond all numbers"
        ),
        pytest.param(b'{"name": "gate", "amount": 1' + b"0" * 25 + b"}", "invalid_fields", id="huge"),
        pytest.param(b'{"name": "gate", "amount": null}', "invalid_fields", id="null for number"),
        pytest.param(b'{"name": "gate", "amount": 7, "note": "0"}', "invalid_fields", id="half a byte"),
        pytest.param(b'{"name": "gate", "amount": 7, "note": "0 0f"}', "invalid_fields", id="space in hex"),
        pytest.param(b'{"name": "gate", "amount": 7, "note": "xy"}', "invalid_fields", id="no hex"),
        pytest.param(b'{"name": "gate", "amount": 7, "note": "0011223344"}', "invalid_fields", id="long hex"),
        pytest.param(b'{"name": "gate", "amount": 7, "note": []}', "invalid_fields", id="list for hex"),
    ],
)
def test_a_bad_body_is_named_and_changes_nothing(make: Post, things: Things, body: bytes, code: str) -> None:
    answer = make(body)

    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert answer.json["code"] == code
    assert not things.made


def test_the_wrong_fields_are_named(make: Post) -> None:
    answer = make({"name": "gate", "amount": "7", "x" * 100: 1})

    assert answer.json is not None
    assert answer.json["details"]["fields"] == {
        "amount": ["Not a valid integer."],
        "x" * 40: ["Unknown field."],
    }


def test_a_flood_of_unknown_fields_is_answered_shortly(make: Post) -> None:
    answer = make({f"field{number}": 1 for number in range(3000)})

    assert answer.status_code == 400
    assert len(answer.data) < 3000


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data", ""])
def test_only_json_is_taken(make: Post, content_type: str) -> None:
    answer = make(json.dumps(GOOD).encode(), Content_Type=content_type)

    assert answer.status_code == 415


def test_a_repeated_name_counts_once(make: Post, things: Things) -> None:
    answer = make(b'{"name": "gate", "amount": 7, "amount": 8}')

    assert answer.status_code == 201
    assert things.made[0].amount == 8


def test_a_whole_number_may_be_written_with_a_point(make: Post, things: Things) -> None:
    answer = make(b'{"name": "gate", "amount": 7.0}')

    assert answer.data.startswith(b'{"name":"gate","amount":7,')
    assert type(things.made[0].amount) is int


def test_a_body_beyond_64_kib_is_refused(make: Post, things: Things) -> None:
    answer = make(json.dumps(GOOD | {"name": "x" * 65_536}).encode())

    assert answer.status_code == 413
    assert answer.json is not None
    assert answer.json["code"] == "request_too_large"
    assert not things.made


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="no such path"),
        pytest.param("GET", "//v1/things/x", 404, id="two slashes"),
        pytest.param("GET", "/v1/things/x/", 404, id="slash behind"),
        pytest.param("GET", "/v1/things/%00", 404, id="NUL"),
        pytest.param("GET", "/v1/things/a%0Ab", 404, id="line break"),
        pytest.param("GET", "/v1/things/%ff%fe", 200, id="invalid UTF-8 is only an odd name"),
        pytest.param("GET", "/v1/things/" + "x" * 129, 404, id="endless name"),
        pytest.param("GET", "/../../etc/passwd", 404, id="climbing"),
        pytest.param("DELETE", "/v1/token", 405, id="method"),
        pytest.param("OPTIONS", "/v1/token", 405, id="options"),
        pytest.param("BREW", "/v1/token", 405, id="unknown method"),
    ],
)
def test_strange_paths_and_methods(
    client: FlaskClient, door: Door, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method, headers=door.headers())

    assert answer.status_code == status
    if status != 200:
        assert answer.mimetype == "application/problem+json"
    if status == 405:
        assert answer.headers["Allow"] == "POST"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_body_makes_a_5xx(make: Post, things: Things, body: bytes) -> None:
    answer = make(body)

    assert answer.status_code == 400
    assert not things.made
