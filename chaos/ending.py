"""The end of a run: wait until all is calm, then look for every fen and let the platform check itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from chaos import verdict
from chaos.phones import PhoneThread, Work
from chaos.program import Restart
from chaos.result import Result
from chaos.storm import Storm
from chaos.truth import Truth
from ota.store.phases import Store
from tools.services.process import wait_until

LONGEST_RESTART_S: Final = 30.0
DRAIN_S: Final = 60.0
# Two minutes after every load a job falls due, so some are always due: none may be so for longer than a lease.
_LATE_JOBS: Final = (
    "SELECT count(*) FROM outbox WHERE due_at <= now() - interval '10 seconds' AND dead_at IS NULL"
)
_OPEN_REFUNDS: Final = "SELECT count(*) FROM refund WHERE state <> 'done'"
_JOIN_S: Final = 15.0
_ROOT: Final = Path(__file__).resolve().parent.parent


def drain(result: Result, storm: Storm, phones: Sequence[PhoneThread], work: Work) -> None:
    """Wait until every phone has finished, every program is back, no job is late and no refund is under way."""
    began = time.monotonic()
    calm = wait_until(lambda: _is_calm(storm, phones), DRAIN_S)
    result.drain_s = time.monotonic() - began
    work.stop.set()
    for phone in phones:
        phone.join(_JOIN_S)
    if not calm:
        still = [program.name for program in storm.programs if not program.up]
        busy = sum(phone.is_alive() for phone in phones)
        result.complaints.append(f"not drained within {DRAIN_S:.0f} s: away {still}, {busy} phones at work")
    # An answer of the wallet that was lost is asked for after half a minute: that is no delay of the platform's.
    wait_until(lambda: _count(storm.database.url, _OPEN_REFUNDS) == 0, DRAIN_S - result.drain_s)


def _is_calm(storm: Storm, phones: Sequence[PhoneThread]) -> bool:
    busy = any(phone.is_alive() for phone in phones) or not all(program.up for program in storm.programs)
    return not busy and _count(storm.database.url, _LATE_JOBS) == 0


def _count(url: str, query: str) -> int | None:
    """What a query counts; None while there is no answer."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as tx:
            return int(tx.execute(sa.text(query)).scalar_one())
    except sa.exc.DBAPIError:
        return None
    finally:
        engine.dispose()


def judge(result: Result, storm: Storm, truth: Truth, settings: Mapping[str, str]) -> None:
    """Write down what came of it: the verdict, the figures, and what the platform says of itself."""
    store = Store(sa.create_engine(storm.database.url))
    result.verdict = verdict.judge(truth, verdict.read(store))
    store.close()
    result.struck, result.topups = storm.struck, storm.work.done
    result.cards = sum(bool(card.credits) for card in truth.cards)
    result.restarts = [each for program in storm.programs for each in program.restarts]
    result.unasked = [name for program in storm.programs for name in program.unasked]
    result.refusals = truth.refusals
    result.complaints += slow(result.restarts)
    on_cards = sum(card.state.balance for card in truth.cards)
    result.complaints += self_check({**settings, "OTA_DATABASE_URL": storm.database.url}, on_cards)


def slow(restarts: Sequence[Restart]) -> Iterator[str]:
    """Returns that took too long."""
    for each in restarts:
        if each.seconds > LONGEST_RESTART_S:
            yield f"{each.program} took {each.seconds} s to come back ({each.why})"


def self_check(settings: Mapping[str, str], on_cards_fen: int) -> Iterator[str]:
    """What the platform's own checks find, and where its books differ from the purses."""
    code, said = _ota(settings, "ledger", "check", "--json")
    if code:
        yield f"ota ledger check: exit {code}: {said[-500:]}"
    elif (booked := json.loads(said)["on_cards_fen"]) != on_cards_fen:
        yield f"the books say {booked} fen on cards, the purses {on_cards_fen}"
    code, said = _ota(settings, "audit", "verify", "--json")
    if code:
        yield f"ota audit verify: exit {code}: {said[-500:]}"


def _ota(settings: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTA_")}
    done = subprocess.run(
        [sys.executable, "-m", "ota.cli", *arguments],
        cwd=_ROOT,
        env={**clean, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout if not done.returncode else done.stdout + done.stderr
