"""What is done to the platform and when: drawn from a seed, so that the same seed strikes in the same order."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Blow(StrEnum):
    """One thing that goes wrong."""

    WEB_WORKER = "web_worker"
    """kill -9 of the process that answers requests; the server that started it lives."""
    WEB_SERVER = "web_server"
    """kill -9 of `ota serve` itself; nobody kills its child."""
    JOB_WORKER = "job_worker"
    """kill -9 of `ota worker`."""
    REDIS = "redis"
    """kill -9 of Redis, which comes back empty."""
    POSTGRES_BACKEND = "postgres_backend"
    """kill -9 of one connection's process: PostgreSQL ends all others and recovers."""
    POSTMASTER = "postmaster"
    """kill -9 of PostgreSQL's first process."""

    CUT_PHONES = "cut_phones"
    """Every connection between phones and web is reset."""
    CUT_DATABASE = "cut_database"
    """Every connection to PostgreSQL is reset."""
    DELAY_PHONES = "delay_phones"
    """What phones send and get is late for a while."""
    DELAY_DATABASE = "delay_database"
    """What PostgreSQL is asked and answers is late for a while."""
    DISK_FULL = "disk_full"
    """The disk of the database is full for a while."""
    FSYNC_ERROR = "fsync_error"
    """PostgreSQL is told that what it wrote did not reach the disk."""


KILLS: Final = (
    Blow.WEB_WORKER,
    Blow.WEB_SERVER,
    Blow.JOB_WORKER,
    Blow.REDIS,
    Blow.POSTGRES_BACKEND,
    Blow.POSTMASTER,
)
_KILL_WEIGHTS: Final = (4, 2, 3, 4, 4, 2)
_LINE_TROUBLES: Final = (Blow.CUT_PHONES, Blow.CUT_DATABASE, Blow.DELAY_PHONES, Blow.DELAY_DATABASE)
_DISK_TROUBLES: Final = (Blow.DISK_FULL, Blow.FSYNC_ERROR)
_KILLS_PER_LINE_TROUBLE: Final = 3
_KILLS_PER_DISK_TROUBLE: Final = 30


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow, due when so many top-ups have arrived; ``luck`` from 0 to 1 chooses among several victims."""

    blow: Blow
    after: int
    luck: float


def make_plan(seed: int, kills: int, topups: int, troubles: Collection[Blow]) -> tuple[Strike, ...]:
    """So many kills, each kind at least once where there are enough, and the other troubles between them."""
    random = Random(seed)
    blows = [*KILLS[:kills], *random.choices(KILLS, _KILL_WEIGHTS, k=max(0, kills - len(KILLS)))]
    blows += _some(
        random, [each for each in _LINE_TROUBLES if each in troubles], kills // _KILLS_PER_LINE_TROUBLE
    )
    for trouble in _DISK_TROUBLES:
        if trouble in troubles and kills:
            blows += [trouble] * max(1, kills // _KILLS_PER_DISK_TROUBLE)
    random.shuffle(blows)
    # The last tenth of the way has no blow, so that all of them hit phones at work.
    moments = sorted(random.randrange(max(1, topups * 9 // 10)) for _ in blows)
    return tuple(Strike(blow, after, random.random()) for blow, after in zip(blows, moments, strict=True))


def _some(random: Random, kinds: list[Blow], count: int) -> list[Blow]:
    return random.choices(kinds, k=count) if kinds else []


def digest(plan: tuple[Strike, ...]) -> str:
    """Names a plan: the same seed and sizes give the same."""
    text = "".join(f"{strike.blow} {strike.after} {strike.luck:.6f}\n" for strike in plan)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def luck_of(seed: int, name: str) -> Random:
    """Luck of its own for each part of a run."""
    return Random(f"{seed} {name}")
