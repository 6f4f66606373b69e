"""What waits in the database is shown by whoever is scraped, whether or not that process runs the jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from ota.app import found_by_routes
from ota.store import outbox
from ota.store.outbox import Patience
from ota.topup.jobs import SEND_REFUND
from ota.web.figures import DOOR, Figures, Lookout
from tests.events.wallets import DAYS, Post
from tests.platform import Platform, any_platform, app_of, make_platform, number, platform, sqlite_url

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]

CARD = number(904).digits
NOTHING = Figures(0, 0, 0.0, {}, 0, 0, 0.0)
GAUGES = ("ota_jobs_", "ota_suspense_", "ota_events_")


def scraped(platform: Platform, lookout: Lookout | None = None) -> dict[str, float]:
    """Every sample of /metrics, as a process shows it that has run no job and no sweep."""
    app = app_of(platform.built)
    if lookout is not None:
        app.extensions[DOOR] = lookout
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_dead_jobs_and_late_ones_are_shown_by_a_process_that_runs_none(any_platform: Platform) -> None:
    now = any_platform.clock.now()
    with any_platform.built.store.begin() as tx:
        outbox.stage(tx, SEND_REFUND, "gone", due_at=now)
        (job,) = outbox.claim_due(tx, now, Patience())
        outbox.fail(tx, job, now, Patience(max_attempts=1), error="RuntimeError")
        outbox.stage(tx, SEND_REFUND, "late", due_at=now)
    any_platform.clock.advance(minutes=10)

    shown = scraped(any_platform)

    assert (shown["ota_jobs_waiting"], shown["ota_jobs_dead"]) == (1, 1)
    assert shown["ota_jobs_oldest_due_seconds"] == 600
    assert shown["ota_figures_up"] == 1


def test_money_without_a_final_place_is_shown_by_a_process_that_runs_no_sweep(any_platform: Platform) -> None:
    any_platform.order_topup(CARD, 777)
    any_platform.clock.advance(minutes=1)

    shown = scraped(any_platform)

    labels = '{city="5810",reason="waits_for_its_card"}'
    assert shown[f"ota_suspense_fen{labels}"] == 777
    assert shown[f"ota_suspense_oldest_seconds{labels}"] == 60


def test_events_that_nobody_takes_are_shown_by_a_process_that_sends_none(platform: Platform) -> None:
    post = Post(platform)
    post.wallets.says = lambda *_: 500
    post.write("lost")
    post.run()
    before = scraped(platform)
    post.wait(DAYS)

    after = scraped(platform)

    assert (before["ota_events_waiting"], before["ota_events_given_up"]) == (1, 0)
    assert (after["ota_events_waiting"], after["ota_events_given_up"]) == (0, 1)


def test_without_a_database_what_nobody_knows_is_absent_and_no_error(platform: Platform) -> None:
    def away() -> Figures:
        raise OperationalError("SELECT", {}, OSError("no route"))

    shown = scraped(platform, Lookout(away))

    assert shown["ota_figures_up"] == 0
    assert not [name for name in shown if name.startswith(GAUGES)]


def test_figures_that_the_database_told_before_it_went_are_not_shown_for_long(platform: Platform) -> None:
    answers = iter((NOTHING,))
    lookout = Lookout(lambda: next(answers), fresh_s=0)

    first, then = scraped(platform, lookout), scraped(platform, lookout)

    assert (first["ota_figures_up"], first["ota_jobs_dead"]) == (1, 0)
    assert then["ota_figures_up"] == 0
    assert "ota_jobs_dead" not in then


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_database_that_hangs_holds_no_scrape_and_is_asked_once(
    platform: Platform, release: threading.Event
) -> None:
    asked: list[int] = []

    def hang() -> Figures:
        asked.append(1)
        release.wait(10)
        return NOTHING

    lookout = Lookout(hang, limit_s=0.05)

    shown = [scraped(platform, lookout)["ota_figures_up"] for _ in range(3)]

    assert shown == [0, 0, 0]
    assert len(asked) == 1


def test_many_scrapes_are_one_look_at_the_database(platform: Platform) -> None:
    asked: list[int] = []

    def look() -> Figures:
        asked.append(1)
        return NOTHING

    lookout = Lookout(look)

    for _ in range(3):
        scraped(platform, lookout)

    assert len(asked) == 1


def test_a_server_whose_jobs_run_elsewhere_shows_the_same(platform: Platform, tmp_path: Path) -> None:
    """`jobs.runner = "redis"`: what is scraped is wired from the database, not from the runner."""
    redis = replace(platform.settings.jobs, runner="redis")
    elsewhere = replace(platform.built, settings=replace(platform.settings, jobs=redis, data=tmp_path))
    platform.order_topup(CARD, 100)

    found = found_by_routes(elsewhere)[DOOR].find()

    assert found.suspense.keys() == {("5810", "waits_for_its_card")}
