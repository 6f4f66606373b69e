"""The service desk: two people look at a card and decide about an order of it, while everything around them breaks.

They decide rightly: what is on the card is seen at the desk, and a MAC2 that was under way is dead by that look. But
requests get lost and repeated, the card is given back before the second person answers, and others load it meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from ota.sandbox.credentials import one_time_code
from ota.sandbox.simulation import books
from ota.sandbox.simulation.books import OrderRow
from ota.sandbox.simulation.bystanders import Begin
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.faults import Luck
from ota.sandbox.simulation.practice import CITIES as PRACTISED
from ota.sandbox.simulation.process import Reply
from ota.sandbox.simulation.schedule import Pause, Steps
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Violated
from ota.topup.models import topup_order
from ota.topup.states import TopupState

DECISIONS: Final = "/v1/service/decisions"
TERMINALS: Final = "sandbox-terminal"
"""How the names of callers begin whom no refund can be sent to."""

_NOT_PROVEN: Final = "refund_needs_two_people"
_TRIES: Final = 12
"""A one-time password serves once: whoever lost the answer waits for the next one."""
_QUEUE_S: Final = (0.0, 200.0)
_LOOK_S: Final = (1.0, 240.0)
_SECOND_PERSON_S: Final = (1.0, 900.0)
_PATIENCE_S: Final = 20.0


class Staff(Caller):
    """One person at the desk, with a second factor. Its authenticator has the platform's time."""

    def _second_factor(self) -> dict[str, str]:
        return {"otp": one_time_code(self.clock.now().timestamp())}


@dataclass
class ServiceDesk:
    """Two people at one desk, whom every customer may come to."""

    people: tuple[Staff, Staff]
    trace: Trace
    begin: Begin
    engine: sa.Engine

    def serve(self, card: Card, order_id: str, luck: Luck) -> None:
        """A customer comes with a card, soon."""
        self.begin(self._serve(card, order_id, luck), luck.choice.uniform(*_QUEUE_S))

    def give_back(self, card: Card, callers: Mapping[str, Caller], luck: Luck) -> Steps[None]:
        """A card is not loaded any more: what was paid for it goes back, from a terminal by hand."""
        for order in books.read(self.engine).orders.values():
            if (order.card, order.state) != (card.digits, TopupState.PAID):
                continue
            if order.caller.startswith(TERMINALS):
                yield from self._pay_out(order, luck)
            else:
                path = f"/v1/topups/{order.id}/refund"
                asked = callers[order.caller].ask(luck, "POST", path, {}, self._key("refund", luck), _TRIES)
                answer = yield from asked
                is_practised = card.city.name in PRACTISED and self.people[0].truth.practice.is_fixed
                if is_practised and answer is not None and answer.code == _NOT_PROVEN:
                    yield from self._agree({"action": "refund", "subject_id": order.id}, luck)

    def _pay_out(self, order: OrderRow, luck: Luck) -> Steps[None]:
        yield from self._agree({"action": "refund", "subject_id": order.id}, luck)
        refund_id, trade_no = books.refund_of(self.engine, order.id)
        by_hand = {"action": "refund_by_hand", "subject_id": refund_id, "proof": "cash at the counter"}
        yield from self._agree(by_hand, luck)
        self.people[0].truth.trades[trade_no].returned_fen += order.amount_fen

    def _agree(self, wanted: Mapping[str, str], luck: Luck) -> Steps[None]:
        """One proposes, the other approves, and nothing is in their way; raises Violated where something is."""
        maker, checker = self.people
        body = {**wanted, "reason": "cards of this version are not loaded any more"}
        proposed = yield from maker.ask(luck, "POST", DECISIONS, body, self._key("propose", luck), _TRIES)
        if proposed is not None and proposed.ok:
            path = f"{DECISIONS}/{proposed.json['decision_id']}"
            answer = yield from self._answer(path, "approve", checker, luck)
            if answer is not None and answer.ok:
                self.trace.note("service desk", f"{wanted['action']} {wanted['subject_id'][-8:]}")
                return
        raise Violated("two people give back what cannot be loaded", f"{wanted} was not carried out")

    def _serve(self, card: Card, order_id: str, luck: Luck) -> Steps[None]:
        maker, checker = luck.choice.sample(self.people, 2)
        while card.at_desk:
            yield Pause(_PATIENCE_S)
        card.lay_down()
        yield Pause(luck.choice.uniform(*_LOOK_S))
        if self._is_in_question(order_id):
            card.at_desk = False
            self.trace.note("service desk", f"{order_id} waits until the wallets' lists are compared")
            return
        wanted = self._seen(card, order_id)
        proposed = yield from maker.ask(luck, "POST", DECISIONS, wanted, self._key("propose", luck), _TRIES)
        card.at_desk = False
        if proposed is None or not proposed.ok:
            self._note(order_id, wanted, "is not proposed", proposed)
            return
        yield from self._decide(f"{DECISIONS}/{proposed.json['decision_id']}", maker, checker, luck)

    def _is_in_question(self, order_id: str) -> bool:
        """Whether a restore left open what became of its money: that the card alone does not tell."""
        query = sa.select(topup_order.c.restore_id).where(topup_order.c.id == order_id)
        with self.engine.connect() as tx:
            return tx.execute(query).scalar() is not None

    def _seen(self, card: Card, order_id: str) -> dict[str, str]:
        """What is right by the card's own words."""
        loads = {books.key_of(card, credit) for credit in card.credits}
        attempts = books.read(self.engine).attempts
        is_loaded = any(attempt.order_id == order_id and attempt.key in loads for attempt in attempts)
        about = {"subject_id": order_id, "reason": "the card was at the desk"}
        if is_loaded:
            return {**about, "action": "confirm_load", "proof": "seen on the card"}
        return {**about, "action": "refund"}

    def _decide(self, path: str, maker: Staff, checker: Staff, luck: Luck) -> Steps[None]:
        alone = yield from maker.ask(luck, "POST", f"{path}/approve", {}, self._key("alone", luck), _TRIES)
        if alone is not None and alone.ok:
            raise Violated("decisions are two people's", f"{path} was approved by who proposed it")
        yield Pause(luck.choice.uniform(*_SECOND_PERSON_S))
        if luck.choice.random() < 0.5:  # twice, at the same time
            self.begin(self._answer(path, "approve", checker, luck), 0.0)
        answer = yield from self._answer(path, "approve", checker, luck)
        if answer is None or not answer.ok:  # too late: nobody else waits for this proposal
            yield from self._answer(path, "reject", checker, luck)

    def _answer(self, path: str, verb: str, checker: Staff, luck: Luck) -> Steps[Reply | None]:
        return (yield from checker.ask(luck, "POST", f"{path}/{verb}", {}, self._key(verb, luck), _TRIES))

    def _note(self, order_id: str, wanted: Mapping[str, Any], what: str, reply: Reply | None) -> None:
        code = "no answer" if reply is None else reply.code
        self.trace.note("service desk", f"{wanted['action']} of {order_id} {what}: {code}")

    def _key(self, what: str, luck: Luck) -> str:
        """A key that nobody has used: the same luck may come to the desk again later."""
        return f"{what}-{luck.choice.randrange(10**9)}-{round(self.people[0].clock.elapsed_s * 1000)}"
