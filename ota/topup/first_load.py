"""The first load of a new card, in the conversation that issued it; `ota.wiring` hands this to issuance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from ota.card.apdu import Response
from ota.card.batch import BatchCommand
from ota.card.meanings import CommandKind
from ota.card.problems import problem_for
from ota.card.purse import LoadAnswer
from ota.core.principal import Principal
from ota.core.values import CardNumber, CityCode, Fen
from ota.dialogue.plan import Step, Talk
from ota.topup.contact import Traces
from ota.topup.errors import NotLoadable
from ota.topup.loads import Loads
from ota.topup.payment_fact import PaymentFact
from ota.topup.plan import PLAN, TopupPlan
from ota.topup.service import NewTopup, Topups


class FirstLoads:
    """Orders, proves and drives a first load for whoever issues the card."""

    def __init__(self, topups: Topups, loads: Loads, plan: TopupPlan) -> None:
        self._topups = topups
        self._loads = loads
        self._plan = plan

    def read_payment(self, caller: Principal, signed: str) -> object:
        """Check a payment's signature; raises the errors of payments."""
        return self._topups.read_payment(caller, signed)

    def order_first_load(
        self,
        tx: Connection,
        caller: Principal,
        key: str,
        card: CardNumber,
        amount: Fen,
        payment: object,
        issuance_id: str,
    ) -> str:
        """Make a paid top-up order for a card that is about to be issued; returns its id."""
        wanted = NewTopup(card, amount)
        return self._topups.first_load(tx, caller, key, wanted, _fact(payment), issuance_id)

    def book_fee(
        self, tx: Connection, caller: Principal, order_id: str, city: CityCode, fee: Fen, payment: object
    ) -> None:
        """Book the signed payment of an issuance fee."""
        self._topups.book_fee(tx, caller, order_id, city, fee, _fact(payment))

    def earn_fee(self, tx: Connection, order_id: str) -> None:
        """The card of an issuance is active: its fee, if there was one, is earned."""
        self._topups.earn_fee(tx, order_id)

    def card_not_made(self, tx: Connection, order_id: str) -> None:
        """An issuance was abandoned: fee and first load go back."""
        self._topups.card_not_made(tx, order_id)

    def knows_number(self, tx: Connection, card: CardNumber) -> bool:
        """Whether a top-up was ever ordered for this number."""
        return self._topups.knows_number(tx, card)

    def opening(self, order_id: str) -> tuple[Sequence[BatchCommand], Mapping[str, object]] | None:
        """SELECT and INITIALIZE FOR LOAD with a challenge, and the context of their answers.

        None when there is nothing to load: the money went back, or is on its way.
        """
        try:
            commands, context = self._plan.first_question(order_id)
        except NotLoadable:
            return None
        return commands, {**context, "order_id": order_id}

    def check_proof(self, context: Mapping[str, object], answer: Response) -> int:
        """The new card's online counter; raises unless the answer to INITIALIZE FOR LOAD carries a MAC1 of it."""
        if not answer.sw.is_success:
            raise problem_for(CommandKind.INITIALIZE_FOR_LOAD, answer.sw)
        told = LoadAnswer.parse(answer.data)
        self._loads.check(str(context["order_id"]), str(context["nonce"]), told)
        return told.online_atc

    def carry_on(self, talk: Talk, order_id: str, context: Mapping[str, object], answer: Response) -> Step:
        """Take that answer as the top-up's own: the session goes on as a top-up."""
        step = self._plan.take_answer(replace(talk, subject_id=order_id, context=context), answer, Traces())
        return step.as_plan(PLAN, order_id)


def _fact(payment: object) -> PaymentFact:
    assert isinstance(payment, PaymentFact)  # noqa: S101  whoever issues hands back what read_payment gave it
    return payment
