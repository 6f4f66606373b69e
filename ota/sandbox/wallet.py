"""A wallet's server: orders cards and top-ups for its users and opens the sessions of their phones."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ota.sandbox.api import Json
from ota.sandbox.caller import Caller


def new_key() -> str:
    """An Idempotency-Key for one intention."""
    return secrets.token_urlsafe(18)


class WalletServer:
    """What a wallet asks of the platform. Every method raises Refused and Unreachable."""

    def __init__(self, caller: Caller, new_key: Callable[[], str] = new_key) -> None:
        self._caller = caller
        self._new_key = new_key

    def products(self) -> list[Json]:
        """Every card that can be issued now."""
        return list(self._caller.get("/v1/products")["products"])

    def eligibility(self, city: str, se_id: str) -> Json:
        """May this element take a card of this city now?"""
        return self._caller.post("/v1/eligibility", {"city": city, "se_id": se_id})

    def order_card(
        self,
        city: str,
        se_id: str,
        first_load_fen: int | None = None,
        fee_fen: int = 0,
        key: str | None = None,
    ) -> Json:
        """Order a blank card, with money on it when ``first_load_fen`` is given."""
        body: Json = {"city": city, "se_id": se_id}
        if fee_fen:
            body["payment"] = self._caller.payment(fee_fen)
        if first_load_fen is not None:
            payment = self._caller.payment(first_load_fen)
            body["first_load"] = {"amount_fen": first_load_fen, "payment": payment}
        return self._caller.post("/v1/issuances", body, key or self._new_key())

    def order_topup(
        self, card_no: str, amount_fen: int, opening: Json | None = None, key: str | None = None
    ) -> Json:
        """Order a paid top-up; with an opening the answer holds session and first batch."""
        body: Json = {
            "card_no": card_no,
            "amount_fen": amount_fen,
            "payment": self._caller.payment(amount_fen),
        }
        if opening is not None:
            body["session"] = opening
        return self._caller.post("/v1/topups", body, key or self._new_key())

    def open_session(self, order_id: str, opening: Json) -> Json:
        """Open a session for an order: its id, the phone's token and the first batch."""
        return self._caller.post("/v1/sessions", {"order_id": order_id, **opening})

    def unfinished_cards(self, se_id: str) -> list[Json]:
        """This wallet's issuances for an element that wait for a contact."""
        return self._orders("/v1/issuances", "se_id", se_id)

    def unfinished_topups(self, card_no: str) -> list[Json]:
        """This wallet's paid top-ups of a card whose money is not in the purse yet."""
        return self._orders("/v1/topups", "card_no", card_no)

    def order(self, order_id: str) -> Json:
        """An order of either kind."""
        subject = "issuances" if order_id.startswith("iss_") else "topups"
        return self._caller.get(f"/v1/{subject}/{quote(order_id, safe='')}")

    def card(self, card_no: str) -> Json:
        """A card as the registry knows it."""
        return self._caller.get(f"/v1/cards/{quote(card_no, safe='')}")

    def ask_refund(self, order_id: str, key: str | None = None) -> Json:
        """Ask for the money of a paid top-up that no card holds."""
        return self._caller.post(f"/v1/topups/{quote(order_id, safe='')}/refund", {}, key or self._new_key())

    def events(self, after: int = 0) -> Json:
        """A page of this wallet's feed: events, and where the next page begins."""
        return self._caller.get(f"/v1/events?after={after}")

    def _orders(self, path: str, name: str, value: str) -> list[Any]:
        return list(self._caller.get(f"{path}?{name}={quote(value, safe='')}")["orders"])
