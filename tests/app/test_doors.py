"""Guards over the whole application: every route has a policy, every job a handler."""

from __future__ import annotations

import ast
import importlib
from dataclasses import replace
from pathlib import Path

import flask
import pytest

from ota import app as door
from ota import wiring
from ota.app import create_app, start_jobs
from ota.core.clock import SystemClock
from ota.store import outbox
from ota.store.runner import JobRunner
from ota.web.policy import policy_of, scraped
from ota.web.scopes import ALL_SCOPES

PACKAGE = Path(door.__file__).parent
PUBLIC = {
    "/v1/token",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs",
    "/docs/assets/<name>",
}


def without_policy(app: flask.Flask) -> set[str]:
    """The routes that anybody may call without having been meant for everybody, or that nobody can call."""
    found = set()
    for rule in app.url_map.iter_rules():
        policy = policy_of(app.view_functions[rule.endpoint])
        open_by_mistake = policy is not None and policy.public and rule.rule not in PUBLIC
        scraped_by_mistake = policy is not None and policy.scraped and rule.rule != "/metrics"
        known = policy is not None and (
            policy.public or policy.signed or policy.scraped or policy.scope in ALL_SCOPES
        )
        if open_by_mistake or scraped_by_mistake or not known:
            found.add(rule.rule)
    return found


def test_every_route_has_a_policy(embedded: wiring.Wiring) -> None:
    app = create_app(embedded)

    assert without_policy(app) == set()
    assert len(list(app.url_map.iter_rules())) > len(PUBLIC)


def test_a_route_without_a_policy_is_seen(embedded: wiring.Wiring) -> None:
    app = create_app(embedded)
    app.add_url_rule("/forgotten", view_func=lambda: "x", endpoint="forgotten")

    assert without_policy(app) == {"/forgotten"}


def test_a_route_that_is_only_for_the_scraper_by_mistake_is_seen(embedded: wiring.Wiring) -> None:
    app = create_app(embedded)
    app.add_url_rule("/orders", view_func=scraped(lambda: "x"), endpoint="orders")

    assert without_policy(app) == {"/orders"}


def staged_names() -> dict[str, str]:
    """Where ``stage`` is called -> what it is given as the job's name, as written."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "stage":
                found[f"{path.relative_to(PACKAGE)}:{node.lineno}"] = ast.unparse(node.args[1])
    return found


def declared_jobs() -> dict[str, str]:
    """Every constant of every ``jobs`` module -> the job's name."""
    found: dict[str, str] = {}
    for path in PACKAGE.glob("*/jobs.py"):
        module = importlib.import_module(f"ota.{path.parent.name}.jobs")
        found |= {
            name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)
        }
    return found


def test_every_staged_job_is_declared_and_has_a_handler(embedded: wiring.Wiring) -> None:
    declared = declared_jobs()
    staged = staged_names()

    assert staged
    assert {where for where, name in staged.items() if name.rpartition(".")[2] not in declared} == set()
    assert set(declared.values()) <= embedded.runner.jobs


def test_the_thread_for_jobs_runs_them(embedded: wiring.Wiring) -> None:
    done: list[str] = []
    clock = SystemClock()

    def handle(subject: str) -> None:
        done.append(subject)

    runner = JobRunner(embedded.store, clock, {"test": handle})
    with embedded.store.begin() as tx:
        outbox.stage(tx, "test", "a1", due_at=clock.now())

    stop = start_jobs(replace(embedded, runner=runner))
    for _ in range(500):
        if done:
            break
        stop.wait(0.01)
    stop.set()

    assert done == ["a1"]


@pytest.mark.parametrize("runner", ["embedded", "redis"])
def test_a_process_starts_the_thread_only_where_jobs_are_embedded(
    embedded: wiring.Wiring, monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    started: list[object] = []
    monkeypatch.setenv("OTA_DATA", str(embedded.settings.data))
    monkeypatch.setenv("OTA_JOBS_RUNNER", runner)
    monkeypatch.setenv("OTA_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setattr(door, "start_jobs", started.append)
    monkeypatch.setattr(door, "configure_logging", lambda _level: None)
    monkeypatch.setattr(wiring, "build", lambda _settings: embedded)

    app = door.application()

    assert isinstance(app, flask.Flask)
    assert len(started) == (1 if runner == "embedded" else 0)
