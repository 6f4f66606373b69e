"""Somebody else who loads a purse with keys of its own: the platform hears nothing of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ota.sandbox.element import TornCard, purse_crypto
from ota.sandbox.simulation.cards import Card, load_key
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.practice import CITIES, Practice
from ota.sandbox.simulation.trace import Trace

_SELECT: Final = bytes.fromhex("00A4040008A00000063201010500")
_INITIALISE: Final = bytes.fromhex("805000020B01")
_CREDIT: Final = bytes.fromhex("805200000B")
_TERMINAL: Final = bytes.fromhex("888800000001")
_LOAD: Final = b"\x02"
_LAST: Final = b"\x80\x00"
_OK: Final = b"\x90\x00"
_MOST_FEN: Final = 900


def comes(card: Card, practice: Practice, luck: Luck, trace: Trace, now: datetime) -> None:
    """Perhaps a card of a city in which others load is loaded by one of them."""
    if not practice.has_others or card.city.name not in CITIES or card.number is None or card.at_desk:
        return
    if not luck.strikes(Fault.LOADED_BY_OTHERS):
        return
    # One load of a stranger looks like the platform's own to it; two cannot be, whatever the platform loads meanwhile.
    times = 2 if practice is Practice.STRANGERS_LOAD else luck.choice.choice((1, 1, 2))
    amounts = [luck.choice.randint(1, _MOST_FEN) for _ in range(times)]
    if card.state.balance + sum(amounts) > card.element.options.balance_ceiling:
        return
    for amount in amounts:
        trace.note(luck.actor, f"somebody else loads {amount} fen: {load(card, amount, now)}")


def load(card: Card, amount_fen: int, now: datetime) -> bool:
    """SELECT, INITIALIZE FOR LOAD, CREDIT FOR LOAD (CARD.md 1.4); False when the card does not take it."""
    amount = amount_fen.to_bytes(4, "big")
    try:
        card.transmit(_SELECT)
        answer = card.transmit(_INITIALISE + amount + _TERMINAL + b"\x10")
        if answer[-2:] != _OK:
            return False
        counter, version, random = answer[4:6], answer[6], answer[8:12]
        algorithm = card.element.options.purse_algorithm
        session = purse_crypto.session_key(algorithm, load_key(card, version), random + counter + _LAST)
        at = bytes.fromhex(now.strftime("%Y%m%d%H%M%S"))
        mac2 = purse_crypto.transaction_mac(algorithm, session, amount + _LOAD + _TERMINAL + at)
        taken = card.transmit(_CREDIT + at + mac2 + b"\x04")
    except TornCard:
        return False
    if taken[-2:] != _OK:
        return False
    card.others.append(card.credits.pop())
    return True
