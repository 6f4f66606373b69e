"""A gate of a bus or metro: takes a fare off the card, and the platform hears nothing of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ota.sandbox.element import TornCard, purse_crypto
from ota.sandbox.simulation.cards import Card, purchase_key

_SELECT: Final = bytes.fromhex("00A4040008A00000063201010500")
_TERMINAL: Final = bytes.fromhex("000000990001")
_SERIAL: Final = bytes.fromhex("00000001")
_PURCHASE: Final = b"\x06"


def debit(card: Card, amount_fen: int, now: datetime) -> bool:
    """SELECT, INITIALIZE FOR PURCHASE, DEBIT FOR PURCHASE (CARD.md 1.5); False when the card does not pay."""
    amount = amount_fen.to_bytes(4, "big")
    try:
        card.transmit(_SELECT)
        answer = card.transmit(bytes.fromhex("805001020B01") + amount + _TERMINAL + b"\x0f")
        if answer[-2:] != b"\x90\x00":
            return False
        counter, version, random = answer[4:6], answer[9], answer[11:15]
        algorithm = card.element.options.purse_algorithm
        session = purse_crypto.session_key(
            algorithm, purchase_key(card, version), random + counter + _SERIAL[2:]
        )
        at = bytes.fromhex(now.strftime("%Y%m%d%H%M%S"))
        mac1 = purse_crypto.transaction_mac(algorithm, session, amount + _PURCHASE + _TERMINAL + at)
        paid = card.transmit(bytes.fromhex("805401000F") + _SERIAL + at + mac1 + b"\x08")
    except TornCard:
        return False
    return paid[-2:] == b"\x90\x00"
