"""A customer who wants a new card on an empty element, with a first load in the same session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ota.core.values import CardNumber
from ota.sandbox.discovery import discover
from ota.sandbox.reader import Reader
from ota.sandbox.simulation.bystanders import Begin
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.errands import TOPUPS, Plan
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.intention import Intention
from ota.sandbox.simulation.phone import DONE, Meanwhile, Phone
from ota.sandbox.simulation.process import Json, Reply
from ota.sandbox.simulation.schedule import Pause, Steps
from ota.sandbox.simulation.truth import Violated
from ota.sandbox.transport import ElementTransport

ISSUANCES: Final = "/v1/issuances"
BLOCKED: Final = "channel_blocked"
_VISITS: Final = 5
_LAST_VISITS: Final = 8
_LONGEST_PAUSE_S: Final = 300.0
_LATEST_S: Final = 3.0
FEE_FEN: Final = 1_500
"""What every city asks for a card while a simulation runs."""
_LITTLE: Final = {"max_batch": 16, "max_apdu": 128}
_ENDED: Final = ("active", "abandoned")


@dataclass
class NewCard:
    """One order of a new card. The phone is honest: what it reports decides about keys that lock for good."""

    plan: Plan
    card: Card
    caller: Caller
    luck: Luck
    meanwhile: Meanwhile
    begin: Begin
    takes_little: bool = False
    """Whether the phone takes few and short commands at once."""
    intentions: list[Intention] = field(default_factory=list)
    order_id: str | None = None
    first_load_id: str | None = None

    def run(self) -> Steps[None]:
        """Order, pay, and try a few times."""
        yield Pause(self.plan.start_s)
        self.card.least_version = self.caller.truth.issued_version
        intention = self._order()
        self.intentions.append(intention)
        reply = yield from intention.pursue(self.caller, self.luck)
        if not self._take(reply):
            return
        phone = self._phone()
        for _ in range(_VISITS):
            self._change_of_mind()
            ending = yield from phone.visit(str(self.order_id))
            if ending in (DONE, BLOCKED):
                return
            yield Pause(self.luck.choice.uniform(5, _LONGEST_PAUSE_S))

    def settle(self) -> Steps[None]:
        """Get the answer that is missing, then the card."""
        for intention in self.intentions:
            reply = yield from intention.pursue(self.caller, self.luck)
            self._take(reply)
        if self.order_id is None:
            return
        phone = self._phone()
        for _ in range(_LAST_VISITS):
            state = yield from self._state()
            if state in _ENDED:
                return
            yield from phone.visit(self.order_id)
            yield Pause(1.0)

    def settle_again(self) -> Steps[None]:
        """After a restore: as before. No card was ordered or built since the backup."""
        yield from self.settle()

    def _change_of_mind(self) -> None:
        """Perhaps the card is called off, or its first load is wanted back: soon, whatever the phone does then."""
        if self.luck.strikes(Fault.CARD_CANCELLED):
            self._soon(f"{ISSUANCES}/{self.order_id}/cancel", "cancel")
        if self.luck.strikes(Fault.REFUND_ASKED):
            self._soon(f"{TOPUPS}/{self.first_load_id}/refund", "refund")

    def _soon(self, path: str, what: str) -> None:
        intention = Intention(path, {}, f"{what}-{self.plan.number}")
        self.begin(intention.pursue(self.caller, self.luck), self.luck.choice.uniform(0, _LATEST_S))

    def _state(self) -> Steps[str]:
        reply = yield from self.caller.ask(self.luck, "GET", f"{ISSUANCES}/{self.order_id}")
        return str(reply.json["state"]) if reply is not None and reply.ok else ""

    def _order(self) -> Intention:
        load, fee = (self.caller.truth.pay(self.caller.id, fen) for fen in (self.plan.amount_fen, FEE_FEN))
        body = {
            "payment": self.caller.payment(fee.number, fee.amount_fen),
            "city": self.card.city.name,
            "se_id": self.card.element.se_id,
            "first_load": {
                "amount_fen": load.amount_fen,
                "payment": self.caller.payment(load.number, load.amount_fen),
            },
        }
        return Intention(ISSUANCES, body, f"card-{self.plan.number}", (load, fee))

    def _take(self, reply: Reply | None) -> bool:
        """The order's answer tells the number that the card will bear."""
        if reply is None:
            return False
        if reply.code == "paid_before_restore":
            return False  # the wallet gives the money back itself
        if not reply.ok:
            raise Violated("an order for an empty element is taken", f"{ISSUANCES} answered {reply.code}")
        self.order_id, self.first_load_id = reply.json["order_id"], reply.json["first_load_id"]
        self.card.number = CardNumber(reply.json["card_no"])
        return True

    def _phone(self) -> Phone:
        return Phone(self.caller, self.card, self.luck, self.meanwhile, self._describe, lies=False)

    def _describe(self) -> Json:
        """What the phone finds out about its element before it opens a session."""
        self.card.element.reset()
        opening = discover(Reader(ElementTransport(self.card.element))).opening()
        return {**opening, "caps": opening["caps"] | _LITTLE} if self.takes_little else opening
