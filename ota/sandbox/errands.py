"""What a person does with a phone: get a card, put money on it, open the app again after something broke."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ota.sandbox.api import Json
from ota.sandbox.discovery import SecureElement, Wishes, card_opening, discover, read_cplc, se_id_of
from ota.sandbox.face import find_face, read_face
from ota.sandbox.phone import Ending, Phone
from ota.sandbox.reader import Reader
from ota.sandbox.transport import CardGone
from ota.sandbox.wallet import WalletServer


@dataclass(frozen=True, slots=True)
class Errand:
    """How it went: the order, what the card showed before and after, and the exchanges that its sessions took.

    Balances are in fen, None where the card could not be read.
    """

    order_id: str
    card_no: str | None
    ending: Ending
    balance_before_fen: int | None
    balance_after_fen: int | None

    @property
    def ok(self) -> bool:
        """Whether the session ended with the work done."""
        return self.ending.done

    def to_json(self) -> Json:
        """For machines: the words of the API."""
        return {
            "ok": self.ok,
            "card_no": self.card_no,
            "balance_before_fen": self.balance_before_fen,
            "balance_after_fen": self.balance_after_fen,
            "order_id": self.order_id,
            "state": self.ending.outcome.get("state"),
            "session_state": self.ending.state,
            "exchanges": self.ending.exchanges,
            "outcome": self.ending.outcome,
            "receipt": self.ending.receipt,
            "problem": self.ending.problem,
        }


@dataclass(frozen=True, slots=True)
class Resumed:
    """Everything that was still open for the element and its card, and what became of it."""

    errands: tuple[Errand, ...]
    card_no: str | None
    balance_before_fen: int | None
    balance_after_fen: int | None

    @property
    def ok(self) -> bool:
        """Whether nothing is left open."""
        return all(errand.ok for errand in self.errands)

    def to_json(self) -> Json:
        """For machines; order, state and exchanges are those of the last order."""
        last: dict[str, Any] = self.errands[-1].to_json() if self.errands else {}
        return {
            "ok": self.ok,
            "card_no": self.card_no,
            "balance_before_fen": self.balance_before_fen,
            "balance_after_fen": self.balance_after_fen,
            "order_id": last.get("order_id"),
            "state": last.get("state", "nothing_to_resume"),
            "exchanges": sum(errand.ending.exchanges for errand in self.errands),
            "problem": last.get("problem"),
            "orders": [errand.to_json() for errand in self.errands],
        }


@dataclass(frozen=True, slots=True)
class PhoneUser:
    """Somebody with a phone, a card reader in it and a wallet behind it."""

    reader: Reader
    phone: Phone
    wallet: WalletServer
    wishes: Wishes = field(default_factory=Wishes)
    tell: Callable[[str], None] = lambda _sentence: None

    def get_card(self, city: str, first_load_fen: int | None = None) -> Errand:
        """Order a blank card of a city and have it put on the element.

        Raises Refused, Unreachable, CardGone, ElementUnknown, BatchRefused, Vanished.
        """
        before = find_face(self.reader)
        element = self._meet_element()
        fee = self.wallet.eligibility(city, element.se_id)["fee_fen"]
        self.tell(f"ordering a card of {city} for element {element.se_id}")
        order = self.wallet.order_card(city, element.se_id, first_load_fen, fee)
        ending = self._converse(order["order_id"], element.opening())
        return self._done(order["order_id"], ending, before.balance_fen if before is not None else None)

    def top_up(self, amount_fen: int) -> Errand:
        """Pay for a load of the card on the phone and run it; batch 1 comes with the order's answer."""
        with self.reader.keeping() as spoken:
            face = read_face(self.reader)
        self.tell(f"paying {amount_fen / 100:.2f} yuan for card {face.card_no}")
        order = self.wallet.order_topup(face.card_no, amount_fen, card_opening(tuple(spoken)))
        ending = self.phone.converse(order["order_id"], order["session"])
        return self._done(order["order_id"], ending, face.balance_fen)

    def resume(self) -> Resumed:
        """Open the app again: hand in what was not acknowledged, then finish whatever is open, oldest first."""
        before = find_face(self.reader)
        errands = [*self._hand_in(), *self._finish_cards()]
        face = find_face(self.reader)
        if face is not None:
            errands += self._finish_topups(face.card_no)
        after = self._look()
        return Resumed(
            tuple(errands),
            face.card_no if face is not None else None,
            before.balance_fen if before is not None else None,
            after[1],
        )

    def _hand_in(self) -> Iterator[Errand]:
        order_id = self.phone.pending_order
        ending = self.phone.continue_pending()
        if ending is not None and order_id is not None and ending.done:
            yield self._done(order_id, ending, None)

    def _finish_cards(self) -> Iterator[Errand]:
        self.reader.reset()
        cplc = read_cplc(self.reader)
        se_id = self.wishes.se_id or (se_id_of(cplc) if cplc is not None else None)
        if se_id is None:
            return
        for order in self.wallet.unfinished_cards(se_id):
            ending = self._converse(order["order_id"], self._meet_element().opening())
            yield self._done(order["order_id"], ending, None)

    def _finish_topups(self, card_no: str) -> Iterator[Errand]:
        for order in self.wallet.unfinished_topups(card_no):
            face = find_face(self.reader)
            ending = self._converse(order["order_id"], card_opening())
            yield self._done(order["order_id"], ending, face.balance_fen if face is not None else None)

    def _meet_element(self) -> SecureElement:
        self.reader.reset()
        return discover(self.reader, self.wishes)

    def _converse(self, order_id: str, opening: Json) -> Ending:
        return self.phone.converse(order_id, self.wallet.open_session(order_id, opening), exchanges=1)

    def _done(self, order_id: str, ending: Ending, before_fen: int | None) -> Errand:
        card_no, balance = self._look()
        return Errand(order_id, ending.outcome.get("card_no") or card_no, ending, before_fen, balance)

    def _look(self) -> tuple[str | None, int | None]:
        """Number and balance as the card shows them now; a card that is gone shows nothing."""
        try:
            face = find_face(self.reader)
        except CardGone:
            return None, None
        return (face.card_no, face.balance_fen) if face is not None else (None, None)
