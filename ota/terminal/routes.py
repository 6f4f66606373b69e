"""The routes of terminals."""

from typing import Any

from ota.card import purse
from ota.core.errors import InvalidValue, NotAllowed
from ota.core.values import CardNumber, Mac4, TerminalNumber
from ota.dialogue.answers import problem_view
from ota.terminal.day import DayClosing, DayReport, TerminalDays
from ota.terminal.receipts import LoadReceipts
from ota.terminal.schemas import (
    CreditResultSchema,
    DayClosingSchema,
    DaySchema,
    MoveSchema,
    ProbeSchema,
    ResumeSchema,
    TerminalLoadSchema,
)
from ota.terminal.service import Move, TerminalLoad, TerminalLoads
from ota.topup.outcome import Authorised
from ota.topup.service import MONEY_PLACES
from ota.topup.states import TopupState
from ota.web.endpoint import Blueprint, caller, endpoint, find, idempotency_key

blueprint = Blueprint(
    "terminals", __name__, url_prefix="/v1/terminals", description="Any card at any city's terminal"
)


@blueprint.post("/loads")
@endpoint(
    takes=TerminalLoadSchema,
    gives=MoveSchema,
    scope="terminal:load",
    status=201,
    idempotent=True,
    is_order=True,
)
def load(wanted: TerminalLoad) -> dict[str, Any]:
    """Load the card on the reader; answered with CREDIT FOR LOAD, or with a question while a load is open."""
    return _view(find(TerminalLoads).load(caller(), idempotency_key(), wanted))


@blueprint.post("/loads/resume")
@endpoint(takes=ResumeSchema, gives=MoveSchema, scope="terminal:load")
def resume(card_on_reader: dict[str, str]) -> dict[str, Any]:
    """Go on with the oldest open load of the card on the reader, whoever took its money."""
    terminal = TerminalNumber(card_on_reader["terminal_no"])
    return _view(find(TerminalLoads).resume(caller(), terminal, CardNumber(card_on_reader["card_no"])))


@blueprint.post("/loads/<load_id>/result")
@endpoint(takes=CreditResultSchema, gives=MoveSchema, scope="terminal:load")
def take_result(load_id: str, tac: Mac4 | None = None) -> dict[str, Any]:
    """Hand in what the card answered to CREDIT FOR LOAD; without a TAC that holds, the card is asked."""
    return _view(find(TerminalLoads).result(caller(), load_id, tac))


@blueprint.post("/loads/<load_id>/probe")
@endpoint(takes=ProbeSchema, gives=MoveSchema, scope="terminal:load")
def probe(load_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Ask for a question (empty body object), or hand in the card's answers to one."""
    if not answer:
        return _view(find(TerminalLoads).ask(caller(), load_id))
    if answer.keys() != {"nonce", "results"}:
        raise InvalidValue("probe", "nonce and results together, or neither")
    return _view(find(TerminalLoads).answer(caller(), load_id, answer["nonce"], answer["results"]))


@blueprint.post("/<terminal_no>/batches")
@endpoint(takes=DaySchema, gives=DayClosingSchema, scope="terminal:load")
def close_day(terminal_no: str, report: DayReport) -> DayClosing:
    """Close a terminal's day: its list held against the platform's."""
    own = caller().terminal
    if own is None or own.digits != terminal_no:
        raise NotAllowed(code="terminal_differs")
    return find(TerminalDays).close(caller(), report)


def _view(move: Move) -> dict[str, Any]:
    order, question = move.order, move.question
    return {
        "load_id": order.id,
        "state": _state(move),
        "order_state": str(order.state),
        "money": MONEY_PLACES[order.state],
        "card_no": order.card.digits,
        "amount_fen": order.amount.amount,
        "probe": None
        if question is None
        else {
            "nonce": question.challenge.nonce,
            "commands": [
                {
                    "i": i,
                    "apdu": command.command.hex().upper(),
                    "expect": str(command.expect),
                    "note": command.note,
                }
                for i, command in enumerate(question.opening, start=1)
            ],
        },
        "problem": problem_view(move.problem) if move.problem is not None else None,
        "receipt": find(LoadReceipts).of(order) if order.state is TopupState.LOADED else None,
        **_credit(move.authorised),
    }


def _state(move: Move) -> str:
    if move.authorised is not None:
        return "authorised"
    if move.question is not None:
        return "probe"
    return "loaded" if move.order.state is TopupState.LOADED else "stopped"


def _credit(authorised: Authorised | None) -> dict[str, str | None]:
    if authorised is None:
        return {"host_time": None, "mac2": None, "apdu": None}
    return {
        "host_time": authorised.at.digits,
        "mac2": authorised.mac2.value.hex().upper(),
        "apdu": purse.credit_for_load(authorised.at, authorised.mac2).encode().hex().upper(),
    }
