"""Lets requests in: as many as can work at once, new orders last, and those are turned away when too many wait.

Whoever has ordered already is let in first: what reports, resolves, pays or asks must get through while orders must not
pile up in front of it. Turning away costs no database, no key and no proof of who calls.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from threading import Condition, Lock
from typing import TYPE_CHECKING

from flask import current_app, g, request

from ota.core.errors import Unavailable
from ota.web import metrics
from ota.web.policy import policy_of

if TYPE_CHECKING:
    from flask import Flask


class Overloaded(Unavailable):
    """There is more to do than this process can; the same request may pass a moment later."""

    code = "overloaded"
    english = "There are too many requests now; repeat this one with the same key in a moment."
    chinese = "当前请求过多, 请稍后使用相同幂等键重试。"


@dataclass(frozen=True, slots=True)
class Room:
    """How many requests may work at once, how many of those slots orders leave free, and how many orders may wait."""

    working: int
    reserved: int
    waiting_orders: int
    order_patience_s: float = 1.0
    patience_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.reserved < self.working or self.waiting_orders < 0:
            raise ValueError("expected a slot for orders, and none reserved that is not there")


class Lane(StrEnum):
    """What a request is about."""

    ORDER = "order"
    """A new order: it can wait, since nothing has been promised."""

    OTHER = "other"
    """Whatever is about an order that there is, and tokens."""


class Gate:
    """Counts who works and who waits in each lane."""

    def __init__(self, room: Room) -> None:
        self._room = room
        lock = Lock()
        self._turns = {lane: Condition(lock) for lane in Lane}
        self._working = dict.fromkeys(Lane, 0)
        self._waiting = dict.fromkeys(Lane, 0)

    def enter(self, lane: Lane) -> None:
        """Take a slot, after waiting for one if need be; raises Overloaded. `leave` gives it back."""
        with self._turns[lane]:
            if self._waiting[lane] or not self._is_free(lane):
                self._wait(lane)
            self._working[lane] += 1

    def leave(self, lane: Lane) -> None:
        """Give the slot back to whoever waits for it."""
        with self._turns[lane]:
            self._working[lane] -= 1
            self._call_next()

    def _wait(self, lane: Lane) -> None:
        room = self._room
        if lane is Lane.ORDER and self._waiting[lane] >= room.waiting_orders:
            raise Overloaded
        until = time.monotonic() + (room.order_patience_s if lane is Lane.ORDER else room.patience_s)
        self._waiting[lane] += 1
        try:
            while not self._is_free(lane):
                left = until - time.monotonic()
                if left <= 0:
                    raise Overloaded
                self._turns[lane].wait(left)
        finally:
            self._waiting[lane] -= 1
            self._call_next()  # whoever was called and gives up passes the call on

    def _is_free(self, lane: Lane) -> bool:
        if sum(self._working.values()) >= self._room.working:
            return False
        if lane is Lane.OTHER:
            return True
        unreserved = self._room.working - self._room.reserved
        return self._working[lane] < unreserved and not self._waiting[Lane.OTHER]

    def _call_next(self) -> None:
        """Wake one of those who go first; it looks for itself whether it may."""
        lane = Lane.OTHER if self._waiting[Lane.OTHER] else Lane.ORDER
        self._turns[lane].notify()


def admit(app: Flask, gate: Gate) -> None:
    """Let every request of this application through the gate, but those that only ask how the process does."""

    def enter() -> None:
        policy = policy_of(current_app.view_functions.get(request.endpoint or ""))
        if policy is None or not policy.takes_a_place(request.method):
            return
        request.get_data()  # a body that comes slowly, or never, keeps no slot; how many may: `ota.web.bodies`
        lane = Lane.ORDER if policy.is_order else Lane.OTHER
        try:
            gate.enter(lane)
        except Overloaded:
            metrics.count_turned_away(lane)
            raise
        g.lane = lane

    def leave(_error: BaseException | None) -> None:
        lane = g.pop("lane", None)
        if lane is not None:
            gate.leave(lane)

    app.before_request(enter)
    app.teardown_request(leave)
