"""Health, figures and the description of the API."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from ota import wiring
from ota.app import create_app
from ota.web import metrics
from ota.web.health import Readiness
from ota.web.policy import policy_of
from ota.web.scopes import ALL_SCOPES
from tests.web.conftest import Door


def test_a_living_process_is_healthy(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_a_platform_with_its_parts_is_ready(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "parts": {"database": "ok", "hsm": "ok"}}


def test_the_part_that_is_down_is_named(built: wiring.Wiring) -> None:
    def broken() -> None:
        raise OSError("no route to the HSM")

    app = create_app(replace(built, checks={"database": built.store.ping, "hsm": broken}))

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "parts": {"database": "ok", "hsm": "down"}}


def test_a_part_that_hangs_does_not_hang_the_answer_and_is_not_asked_twice() -> None:
    release = threading.Event()
    asked: list[float] = []

    def hang() -> None:
        asked.append(time.monotonic())
        release.wait(10)

    readiness = Readiness({"redis": hang}, limit_s=0.05)
    first, second = readiness.look(), readiness.look()
    release.set()

    assert first == second == {"redis": "slow"}
    assert len(asked) == 1


def test_what_a_server_can_work_without_is_named_and_takes_nothing_from_its_readiness(
    built: wiring.Wiring,
) -> None:
    def away() -> None:
        raise OSError("no route to Redis")

    app = create_app(replace(built, asides={"redis": away}))

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "parts": {"database": "ok", "hsm": "ok", "redis": "down"}}


def test_a_server_is_ready_while_the_redis_of_its_workers_is_away(built: wiring.Wiring) -> None:
    nowhere = replace(built.settings.redis, url="redis://127.0.0.1:1/0")
    whole = wiring.build(replace(built.settings, redis=nowhere), clock=built.clock)

    answer = create_app(whole).test_client().get("/readyz")
    whole.store.close()

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["parts"]["redis"] in {"down", "slow"}


def test_figures_are_counted_by_route(client: FlaskClient, door: Door) -> None:
    client.get("/v1/things/3104890000000000123", headers=door.headers())

    text = client.get("/metrics").text

    assert 'ota_http_requests_total{method="GET",route="/v1/things/<name>",status="200"}' in text
    assert "3104890000000000123" not in text


def test_a_stranger_invents_no_series(client: FlaskClient) -> None:
    client.open("/x/y/z", method="BREW")

    assert 'method="other",route="-"' in client.get("/metrics").text


def test_several_processes_are_added_up(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    seen: list[CollectorRegistry] = []
    monkeypatch.setattr(metrics, "MultiProcessCollector", seen.append)

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert len(seen) == 1


def test_runs_of_jobs_are_counted(client: FlaskClient) -> None:
    metrics.count_job("settle", "done")

    assert 'ota_job_runs_total{job="settle",outcome="done"}' in client.get("/metrics").text


def test_the_description_is_openapi_3_1_and_names_every_declared_route(client: FlaskClient) -> None:
    spec = client.get("/openapi.json").json

    assert spec is not None
    assert spec["openapi"] == "3.1.0"
    operation = spec["paths"]["/v1/things"]["post"]
    assert operation["responses"].keys() == {"201", "default"}
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/DEFAULT_ERROR"}
    problem = spec["components"]["responses"]["DEFAULT_ERROR"]
    assert problem["content"].keys() == {"application/problem+json"}
    assert operation["requestBody"]["required"] is True
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
    assert operation["security"] == [{"accessToken": []}]
    assert spec["paths"]["/v1/token"]["post"]["requestBody"]["content"].keys() == {
        "application/x-www-form-urlencoded"
    }
    assert "security" not in spec["paths"]["/v1/token"]["post"]
    thing = spec["components"]["schemas"]["Thing"]
    assert thing["additionalProperties"] is False
    assert thing["properties"]["amount"] == {"type": "integer", "minimum": 0, "maximum": 1000}


def test_the_pages_come_from_this_server_alone(client: FlaskClient) -> None:
    page = client.get("/docs")
    assets = [
        client.get(f"/docs/assets/{name}").status_code for name in ("swagger-ui.css", "swagger-ui-bundle.js")
    ]
    other = client.get("/docs/assets/../LICENSE")

    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "://" not in page.text
    assert assets == [200, 200]
    assert other.status_code == 404


def test_every_route_of_the_platform_has_a_policy_with_a_known_scope(built: wiring.Wiring) -> None:
    app = create_app(replace(built, blueprints=()))

    policies = {rule.rule: policy_of(app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()}

    assert policies
    for rule, policy in policies.items():
        assert policy is not None, rule
        assert policy.public or policy.scraped or policy.scope in ALL_SCOPES, rule
