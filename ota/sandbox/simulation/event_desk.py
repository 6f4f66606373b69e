"""The wallets' servers that are told of events: they miss some, lose answers, refuse for a while; and note the order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from ota.events.callback import Unheard
from ota.sandbox.simulation.books import Books
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Violated
from ota.topup.states import TopupState

_TAKEN = 200
_REFUSED = 500
_ABOVE_ALL = 1_000_000
"""More events than a card of a simulation ever has."""
_ENDINGS = frozenset({TopupState.LOADED, TopupState.REFUNDED, TopupState.CLOSED})


class EventDesk:
    """All wallets' ears in one. ``card_of`` knows the number behind the few digits that an event shows."""

    def __init__(
        self, trace: Trace, luck: Luck, card_of: Callable[[str], str], restores: Callable[[], int]
    ) -> None:
        self._trace = trace
        self._luck = luck
        self._card_of = card_of
        self._restores = restores
        self._newest: defaultdict[tuple[str, str], int] = defaultdict(int)
        """The last place heard, by wallet and card."""
        self._states: dict[str, str] = {}
        """The last state heard, by order."""

    def reaches(self, caller_id: str) -> bool:
        """Wallets listen, terminals do not."""
        return not caller_id.startswith("sandbox-terminal")

    def post(
        self, caller_id: str, path: str, word: str, type_: str, claims: Mapping[str, object]
    ) -> tuple[int, bytes]:
        """Hear an event, unless something is in the way; raises Unheard."""
        del path, word, type_  # there is one path and one kind of message
        if self._luck.strikes(Fault.EVENT_LOST):
            raise Unheard("lost")
        if self._luck.strikes(Fault.EVENT_REFUSED):
            return _REFUSED, b""
        self._hear(caller_id, claims)
        if self._luck.strikes(Fault.EVENT_ANSWER_LOST):
            raise Unheard("no answer")
        return _TAKEN, b""

    def check(self, seen: Books) -> None:
        """Raise Violated unless each wallet knows at the end how its orders ended."""
        for order in seen.orders.values():
            if not self.reaches(order.caller) or order.state not in _ENDINGS:
                continue
            if self._states.get(order.id) != order.state:
                raise Violated(
                    "wallets are told how it ended",
                    f"{order.id} is {order.state}, heard was {self._states.get(order.id)}",
                )

    def _may_jump(self, feed: tuple[str, str], place: int) -> bool:
        """After a restore, once: places go on above all that were given before."""
        return self._restores() > 0 and self._newest[feed] < _ABOVE_ALL <= place

    def _hear(self, caller_id: str, claims: Mapping[str, object]) -> None:
        place, data = claims["card_position"], claims["data"]
        assert isinstance(place, int) and isinstance(data, Mapping)  # noqa: S101, PT018  as events are made
        feed = caller_id, self._card_of(str(claims["event_id"]))
        if place > self._newest[feed] + 1 and not self._may_jump(feed, place):
            raise Violated("events of a card come in order", f"{place} after {self._newest[feed]}")
        if place <= self._newest[feed]:
            return  # again
        self._newest[feed] = place
        self._states[str(data["order_id"])] = str(data["state"])
        self._trace.note("event desk", f"{caller_id} hears that {data['order_id']} is {data['state']}")
