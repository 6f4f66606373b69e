"""What a terminal may do: load a card on its reader, report, settle what an earlier contact left open, close its day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ota.card.batch import Batch, BatchResult, Report, check_report
from ota.card.files import Basic
from ota.card.purse import LoadAnswer
from ota.core.errors import InvalidReport, InvalidValue, NotAllowed, NotFound, OtaError
from ota.core.principal import Principal
from ota.core.values import CardNumber, Fen, Mac4, TerminalNumber
from ota.hsm_adapter.errors import TacWrong
from ota.hsm_adapter.trail import on_behalf_of
from ota.store.phases import Store
from ota.topup import attempts, challenges, orders
from ota.topup.contact import Contact, Traces, read_traces
from ota.topup.errors import NotLoadable
from ota.topup.loads import Loads
from ota.topup.orders import TopupOrder
from ota.topup.outcome import Arrived, AskAgain, Authorised, Decision, Stopped
from ota.topup.service import NewTopup, Topups
from ota.topup.states import TopupState


class NothingToResume(NotFound):
    """No paid order of this card waits for a contact."""

    code = "nothing_to_resume"
    english = "No paid load of this card is open."
    chinese = "该卡没有未完成的充值。"


@dataclass(frozen=True, slots=True)
class TerminalLoad:
    """What a terminal sends after INITIALIZE FOR LOAD with its own terminal number."""

    terminal: TerminalNumber
    terminal_seq: int
    card: CardNumber
    amount: Fen
    payment: str
    answer: LoadAnswer
    ef15: bytes


@dataclass(frozen=True, slots=True)
class Move:
    """What the terminal does next: credit the card, put a question to it, or nothing more."""

    order: TopupOrder
    authorised: Authorised | None = None
    question: Contact | None = None
    problem: OtaError | None = None


class TerminalLoads:
    """Loads at terminals. Whoever has the card on the reader may settle any open load of it."""

    def __init__(self, store: Store, topups: Topups, loads: Loads) -> None:
        self._store = store
        self._topups = topups
        self._loads = loads

    def load(self, caller: Principal, key: str, wanted: TerminalLoad) -> Move:
        """Take a paid load: authorise it, or put a question first when an earlier load of the card is open.

        Raises NotAllowed for another terminal's number, InvalidValue when EF15 is another card's, and what
        `Topups.order` and `Loads.answer` raise; without a payment booked nothing is promised.
        """
        _require_terminal(caller, wanted.terminal)
        _require_same_card(wanted)
        order = self._topups.order(caller, key, NewTopup(wanted.card, wanted.amount, wanted.payment))
        if order.state is TopupState.HELD:  # the card is not asked about money that people must decide about
            return Move(order, problem=NotLoadable(order.state))
        nonce = self._loads.accept(order.id, wanted.terminal, wanted.answer)
        if nonce is None:
            return self._ask(caller, order.id)
        with on_behalf_of(caller.id, order.id):
            decision = self._loads.answer(order.id, nonce, wanted.answer, Traces())
        return self._moved(caller, order.id, decision)

    def result(self, caller: Principal, load_id: str, tac: Mac4 | None) -> Move:
        """Take what the card answered to CREDIT FOR LOAD; without a TAC that holds, the card is asked."""
        order = self._reachable(caller, load_id)
        with self._store.read() as tx:
            attempt = attempts.latest(tx, order.id)
        if attempt is None:
            return self._ask(caller, order.id)
        if tac is None:
            self._loads.doubt(attempt.id, "no_tac")
            return self._ask(caller, order.id)
        try:
            with on_behalf_of(caller.id, order.id):
                return Move(self._loads.confirm(attempt.id, tac))
        except TacWrong:
            return self._ask(caller, order.id)

    def ask(self, caller: Principal, load_id: str) -> Move:
        """Put a new question to the card of a load."""
        return self._ask(caller, self._reachable(caller, load_id).id)

    def answer(self, caller: Principal, load_id: str, nonce: str, results: Sequence[BatchResult]) -> Move:
        """Take the card's answers to a question; raises InvalidReport, ChallengeSuperseded, Mac1Wrong."""
        order = self._reachable(caller, load_id)
        contact = self._loads.asked(order.id, nonce)
        report = check_report(Batch(contact.opening), Report(len(results), tuple(results)))
        if not report.is_complete:
            raise InvalidReport("INITIALIZE FOR LOAD was not answered")
        answer = LoadAnswer.parse(report.responses[-1].data)
        with on_behalf_of(caller.id, order.id):
            decision = self._loads.answer(order.id, nonce, answer, read_traces(contact.opening, report))
        return self._moved(caller, order.id, decision)

    def resume(self, caller: Principal, terminal: TerminalNumber, card: CardNumber) -> Move:
        """The oldest paid load of the card on the reader that is still open, whoever took the money."""
        _require_terminal(caller, terminal)
        with self._store.read() as tx:
            waiting = orders.unfinished(tx, card)
        if not waiting:
            raise NothingToResume
        return self._ask(caller, waiting[0].id)

    def _ask(self, caller: Principal, order_id: str) -> Move:
        contact = self._loads.meet(order_id, caller.id)
        if isinstance(contact, Arrived):
            return Move(contact.order)
        return Move(contact.order, question=contact)

    def _moved(self, caller: Principal, order_id: str, decision: Decision) -> Move:
        if isinstance(decision, AskAgain):
            return self._ask(caller, order_id)
        order = self._order(order_id)
        if isinstance(decision, Authorised):
            return Move(order, authorised=decision)
        return Move(order, problem=decision.problem) if isinstance(decision, Stopped) else Move(order)

    def _reachable(self, caller: Principal, load_id: str) -> TopupOrder:
        """A load that this terminal took, or one whose card was put a question at a terminal."""
        with self._store.read() as tx:
            order = orders.get(tx, load_id)
            if order.caller_id != caller.id and not challenges.was_asked_at(tx, load_id, caller.id):
                raise NotFound
        return order

    def _order(self, order_id: str) -> TopupOrder:
        with self._store.read() as tx:
            return orders.get(tx, order_id)


def _require_terminal(caller: Principal, terminal: TerminalNumber) -> None:
    if caller.terminal != terminal:
        raise NotAllowed(code="terminal_differs")


def _require_same_card(wanted: TerminalLoad) -> None:
    if Basic.parse(wanted.ef15).card_no != wanted.card:
        raise InvalidValue("ef15", "the file of the card whose number is sent")
