"""Who may read the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ota import wiring
from ota.app import create_app
from ota.settings import SettingsError
from ota.web.admission import Gate, Lane, Room
from tests.platform import problem
from tests.web.conftest import Door

TOKEN = "prometheus-of-the-tests-0123456789"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "metrics.token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    return file


def with_metrics(built: wiring.Wiring, how: Any, file: Path | None = None) -> wiring.Wiring:
    server = replace(built.settings.server, metrics=how, metrics_token_file=str(file or ""))
    return replace(built, settings=replace(built.settings, server=server))


@pytest.fixture
def guarded(built: wiring.Wiring, token_file: Path) -> FlaskClient:
    return create_app(with_metrics(built, "token", token_file)).test_client()


def test_whoever_shows_the_token_reads_the_figures(guarded: FlaskClient) -> None:
    answer = guarded.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 200
    assert "ota_http_requests_total" in answer.text


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        f"Bearer {TOKEN} ",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \xff\xfe",
    ],
)
def test_nobody_else_does(guarded: FlaskClient, authorization: str) -> None:
    answer = guarded.get("/metrics", headers={"Authorization": authorization})

    assert problem(answer) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "ota_http_requests_total" not in answer.text


def test_a_callers_token_opens_no_figures(guarded: FlaskClient, door: Door) -> None:
    answer = guarded.get("/metrics", headers=door.headers())

    assert problem(answer) == (401, "unauthenticated")


def test_the_token_of_the_figures_opens_nothing_else(guarded: FlaskClient) -> None:
    answer = guarded.get("/v1/things/x", headers={"Authorization": f"Bearer {TOKEN}"})

    assert problem(answer) == (401, "unauthenticated")


def test_figures_that_are_off_are_not_there(built: wiring.Wiring) -> None:
    answer = create_app(with_metrics(built, "off")).test_client().get("/metrics")

    assert problem(answer) == (404, "not_found")


def test_figures_need_no_place_among_the_requests(built: wiring.Wiring, token_file: Path) -> None:
    full = Gate(Room(working=1, reserved=0, waiting_orders=0, patience_s=0))
    app = create_app(with_metrics(built, "token", token_file), full)
    full.enter(Lane.OTHER)
    headers = {"Authorization": f"Bearer {TOKEN}"}

    answers = [app.test_client().get("/metrics", headers=each) for each in ({}, headers)]

    assert [answer.status_code for answer in answers] == [401, 200]


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (None, 0o600, "expected a file with a token, found FileNotFoundError"),
        ("", 0o600, "expected 32 to 256 letters"),
        ("x" * 31, 0o600, "expected 32 to 256 letters"),
        ("x" * 257, 0o600, "expected 32 to 256 letters"),
        ("two words that are long enough together", 0o600, "expected 32 to 256 letters"),
        ("ö" * 40, 0o600, "expected a file with a token, found UnicodeDecodeError"),
        (TOKEN, 0o604, "others may read it .mode 0604., expected 0600"),
    ],
)
def test_a_file_that_is_no_use_is_told_with_its_key_and_not_with_what_it_holds(
    built: wiring.Wiring, tmp_path: Path, content: str | None, mode: int, expected: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")
        file.chmod(mode)

    with pytest.raises(SettingsError, match=rf"^server\.metrics_token_file: {file}: {expected}") as refused:
        wiring.open_scraping(with_metrics(built, "token", file).settings)

    assert not content or content not in str(refused.value)


def test_the_token_is_in_no_text_of_its_door(built: wiring.Wiring, token_file: Path) -> None:
    door = wiring.open_scraping(with_metrics(built, "token", token_file).settings)

    assert door.token == TOKEN
    assert TOKEN not in repr(door)
