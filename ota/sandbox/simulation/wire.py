"""The network between callers and the platform: it loses, delays, repeats and reorders, in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ota.sandbox.simulation.faults import Fault
from ota.sandbox.simulation.process import Process, Reply, Request
from ota.sandbox.simulation.schedule import Schedule
from ota.sandbox.simulation.trace import Trace

PATIENCE_S: Final = 10.0
"""How long a caller waits for an answer."""

_FASTEST_S, _SLOWEST_S = 0.02, 0.3
_LONGEST_DELAY_S: Final = 400.0
_RESTART_S: Final = 4.0

Resume = Callable[[Reply | None], None]
Watch = Callable[[Request, Reply], None]


class _Call:
    """A caller that waits: the first answer counts, the rest comes too late."""

    def __init__(self, resume: Resume) -> None:
        self._resume: Resume | None = resume

    def end(self, reply: Reply | None) -> None:
        """Let the caller go on, unless it did already."""
        resume, self._resume = self._resume, None
        if resume is not None:
            resume(reply)


class Wire:
    """Carries requests to whichever process is free."""

    def __init__(self, schedule: Schedule, trace: Trace, watch: Watch) -> None:
        self._schedule = schedule
        self._trace = trace
        self._watch = watch
        self.processes: Sequence[Process] = ()
        self.arrived = 0
        """How many requests have reached a process."""

    def carry(self, request: Request, resume: Resume) -> None:
        """Send a request; the caller goes on with the answer, or with None when its patience is over."""
        call, luck, name = _Call(resume), request.luck, route_of(request)
        self._schedule.after(PATIENCE_S, partial(call.end, None))
        if luck.strikes(Fault.REQUEST_LOST, name):
            self._trace.note(luck.actor, f"{_name(request)} is lost")
            return
        late = luck.strikes(Fault.REQUEST_LATE, name)
        self._send(request, call, self._delay(request, late=late))
        if luck.strikes(Fault.REQUEST_TWICE, name):
            self._send(request, call, self._delay(request, late=luck.choice.random() < 0.5))

    def overtake(self) -> None:
        """Between two phases of one request another one is answered, if one is on its way and a process is free."""
        if any(process.alive and not process.busy for process in self.processes):
            self._schedule.overtake(within_s=5.0)

    def go_on(self, seconds: float) -> None:
        """One process stands still in the middle of its work; everybody else goes on."""
        self._schedule.run_for(seconds)

    def _send(self, request: Request, call: _Call, delay_s: float) -> None:
        self._schedule.after(delay_s, partial(self._arrive, request, call), urgent=True)

    def _arrive(self, request: Request, call: _Call) -> None:
        process = next((each for each in self.processes if each.alive and not each.busy), None)
        if process is None:
            self._trace.note(request.luck.actor, f"{_name(request)} finds no process")
            return
        self.arrived += 1
        reply = process.handle(request)
        if not process.alive:
            self._schedule.after(_RESTART_S, process.start)
        if reply is None:
            self._trace.note(request.luck.actor, f"{_name(request)} dies with {process.name}")
            return
        self._trace.note(request.luck.actor, f"{_name(request)} → {reply.status} {_outcome(reply)}".rstrip())
        self._watch(request, reply)
        self._answer(request, reply, call)

    def _answer(self, request: Request, reply: Reply, call: _Call) -> None:
        if request.luck.strikes(Fault.ANSWER_LOST, route_of(request)):
            self._trace.note(request.luck.actor, "the answer is lost")
            return
        late = request.luck.strikes(Fault.ANSWER_LATE, route_of(request))
        self._schedule.after(self._delay(request, late=late), partial(call.end, reply))

    def _delay(self, request: Request, *, late: bool) -> float:
        longest = _LONGEST_DELAY_S if late else _SLOWEST_S
        return request.luck.choice.uniform(_SLOWEST_S if late else _FASTEST_S, longest)


def route_of(request: Request) -> str:
    """The request's path without ids."""
    return re.sub(r"/(top|ses|iss)_\w+", "", request.path)


def _name(request: Request) -> str:
    return f"{request.method} {request.path}"


def _outcome(reply: Reply) -> str:
    if not reply.ok:
        return reply.code
    content = reply.json
    words = [content.get("state"), content.get("order_state")]
    if isinstance(session := content.get("session"), dict):
        words.append(session["batch"]["state"])
    if isinstance(batch := content.get("batch"), dict):
        words.append(batch["state"])
    if isinstance(problem := content.get("problem"), dict):
        words.append(problem["code"])
    return " ".join(str(word) for word in words if word)
