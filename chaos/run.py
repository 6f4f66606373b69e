"""One run from beginning to end: start everything, let phones load while the storm rages, heal, drain, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from chaos import wallet_desk
from chaos.database import Database, Disk, small_disk, why_no_strace
from chaos.ending import drain, judge
from chaos.phones import PhoneThread, Work
from chaos.plan import Blow, luck_of, make_plan
from chaos.platform import HOST, JobWorker, Queue, Web, configuration, environment
from chaos.program import Program
from chaos.relay import Relay
from chaos.result import Order, Result
from chaos.storm import DATABASE, PHONES, Standstill, Storm
from chaos.truth import Truth
from chaos.wallet_desk import WalletDesk
from ota.cli.address import choose_port
from tools.services.process import wait_until

WEBS: Final = 2
_START_S: Final = 180.0  # of a busy machine; what was killed must be back much sooner

Tell = Callable[[Work, Storm], object]
"""Called again and again while the storm rages."""


def run(order: Order, folder: Path, tell: Tell = lambda _work, _storm: None) -> Result:
    """Everything; the folder keeps logs and configuration."""
    truth = Truth()
    work = Work(order.topups, truth)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder))
        not_possible = _not_possible(disk.why_not)
        troubles = [blow for blow in Blow if str(blow) not in not_possible]
        result = Result(order, make_plan(order.seed, order.kills, order.topups, troubles), not_possible)
        desk = WalletDesk(truth, luck_of(order.seed, "desk"), lambda: work.done * 2 > order.topups)
        config = configuration(folder, stack.enter_context(wallet_desk.listening(desk)))
        storm, settings = stack.enter_context(_started(folder, config, disk, work))
        phones = _phones(order, storm, work)
        _rage(result, storm, phones, tell)
        drain(result, storm, phones, work)
        judge(result, storm, truth, settings)
    return result


def _not_possible(why_no_disk: str | None) -> dict[str, str]:
    """What cannot be done on this machine, and why."""
    reasons = {Blow.DISK_FULL: why_no_disk, Blow.FSYNC_ERROR: why_no_strace()}
    return {str(blow): why for blow, why in reasons.items() if why is not None}


@contextmanager
def _started(folder: Path, config: Path, disk: Disk, work: Work) -> Iterator[tuple[Storm, dict[str, str]]]:
    """Everything running, with its settings; ended afterwards, the database last."""
    with ExitStack() as stack:
        database, queue = Database(disk.folder), Queue(folder)
        _begin(database, stack)
        _begin(queue, stack)
        database.make()
        ports = [choose_port(HOST, 0) for _ in range(WEBS)]
        doors = {PHONES: [f"{HOST}:{port}" for port in ports], DATABASE: [database.address]}
        relay = stack.enter_context(Relay(doors))
        settings = environment(folder, config, Database.url_through(relay.ports[DATABASE]), queue.url)
        webs = [Web(f"web{number}", port, folder, settings) for number, port in enumerate(ports)]
        worker = JobWorker(folder, settings, queue.url)
        for program in (*webs, worker):  # the first brings tables, keys and callers, which the others find
            _begin(program, stack)
        yield Storm(webs, worker, queue, database, disk, relay, work), settings


def _begin(program: Program, stack: ExitStack) -> None:
    """Start a program and wait until it works."""
    stack.callback(program.stop)
    program.start()
    if not wait_until(lambda: program.up, _START_S):
        raise RuntimeError(f"{program.name} did not start")
    program.restarts.clear()


def _phones(order: Order, storm: Storm, work: Work) -> list[PhoneThread]:
    url = f"http://{HOST}:{storm.relay.ports[PHONES]}"
    return [
        PhoneThread(number, url, work, luck_of(order.seed, f"phone {number}"))
        for number in range(order.phones)
    ]


def _rage(result: Result, storm: Storm, phones: list[PhoneThread], tell: Tell) -> None:
    began = time.monotonic()
    for phone in phones:
        phone.start()
    try:
        storm.rage(result.plan, lambda: tell(storm.work, storm))
    except Standstill as standstill:
        result.complaints.append(str(standstill))
    storm.heal()
    result.seconds = time.monotonic() - began
