"""Errors as RFC 9457 problems, in the caller's language, with what to do next."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ota.core import errors
from ota.web.logs import MaskingFormatter
from ota.web.problems import status_of
from tests.web.conftest import Door


def test_a_problem_says_what_and_what_next(client: FlaskClient, door: Door) -> None:
    answer = client.get("/v1/things/other-state", headers=door.headers(**{"X-Request-Id": "trace-0815"}))

    assert answer.status_code == 409
    assert answer.json == {
        "type": "urn:ota:problem:conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "The request does not fit the present state.",
        "code": "conflict",
        "retryable": False,
        "next_action": "none",
        "request_id": "trace-0815",
        "details": {"seq": 3},
    }


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("zh-CN", "zh-CN"),
        ("zh", "zh-CN"),
        ("zh-TW,zh;q=0.9,en;q=0.1", "zh-CN"),
        ("en-GB", "en"),
        ("de, *;q=0.1", "en"),
        ("", "en"),
        ("\udcff;q=x", "en"),
    ],
)
def test_the_message_is_in_the_callers_language(
    client: FlaskClient, door: Door, wanted: str, language: str
) -> None:
    answer = client.get("/v1/things/down", headers=door.headers(**{"Accept-Language": wanted}))

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Content-Language"] == language


def test_a_mistake_of_ours_is_told_without_its_content(
    app: Flask, client: FlaskClient, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    answer = client.get("/v1/things/mistake", headers=door.headers())

    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["code"] == "internal"
    assert b"secret" not in answer.data
    formatter = MaskingFormatter()
    logged = "\n".join(formatter.format(record) for record in caplog.records)
    assert "31048900*******0123" in logged
    assert "3104890000000000123" not in logged


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadRequest(), 400),
        (errors.Unauthenticated(), 401),
        (errors.NotAllowed(), 403),
        (errors.NotFound(), 404),
        (errors.Conflict(), 409),
        (errors.Busy(), 409),
        (errors.Refused(), 422),
        (errors.CardProblem(), 422),
        (errors.IntegrityProblem(), 422),
        (errors.Unavailable(), 503),
        (errors.OtaError(), 500),
    ],
)
def test_each_class_of_error_has_one_status(error: errors.OtaError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize("offered", ["short", "has spaces in it", "x" * 65, "evil\\n[INFO] forged", ""])
def test_an_odd_request_id_is_replaced(client: FlaskClient, offered: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": offered})

    assert answer.headers["X-Request-Id"].startswith("req_")


def test_the_access_log_names_the_route_and_no_path_no_token(
    client: FlaskClient, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = door.headers()
    caplog.clear()

    client.get("/v1/things/3104890000000000123?page=1", headers=headers)

    lines = [record.getMessage() for record in caplog.records if record.name == "ota.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /v1/things/<name> 200 ")
    assert "3104890000000000123" not in caplog.text
    assert headers["Authorization"][10:] not in caplog.text
