"""Phones: each gets cards over the air and loads them, repeating whatever got no answer, until its work is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any, Final, TypeVar

from chaos.truth import Card, CardOnPhone, Intent, Truth
from ota.sandbox import credentials
from ota.sandbox.api import Api, Json, Refused
from ota.sandbox.batch import BatchRefused
from ota.sandbox.caller import AUDIENCE, Caller
from ota.sandbox.connection import HttpConnection, Unreachable
from ota.sandbox.discovery import ElementUnknown, card_opening, discover
from ota.sandbox.element import Options
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.outbox import Outbox
from ota.sandbox.phone import Mishaps, Phone, Vanished
from ota.sandbox.reader import Reader
from ota.sandbox.transport import CardGone

CITIES: Final = ("guangzhou", "shenzhen", "foshan", "dongguan", "zhuhai", "huizhou", "zhongshan", "jiangmen")
LOADS_PER_CARD: Final = 30
_MOST_FEN: Final = 3000  # thirty of them stay below a purse's ceiling of 100,000
_PATIENCE_S: Final = 10.0
_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4)
_REFUND_SHARE: Final = 0.03
_MISHAP_SHARE: Final = 0.12
_OVER: Final = frozenset({"loaded", "refunded", "refunding", "written_off"})
_CARD_OVER: Final = frozenset({"active", "abandoned"})
_TROUBLE: Final = (Unreachable, CardGone, Vanished, BatchRefused, ElementUnknown)

Answer = TypeVar("Answer")


class GiveUp(Exception):
    """The run is over, or the platform will never do what this phone wants."""


@dataclass
class Work:
    """How many top-ups are to be made at least, shared by all phones: they go on until the storm is over."""

    topups: int
    truth: Truth
    done: int = 0
    storm_over: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    _numbers: count[int] = field(default_factory=count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """Whether there is another top-up to make; it is this phone's then."""
        with self._lock:
            wanted = next(self._numbers) < self.topups or not self.storm_over.is_set()
            return wanted and not self.stop.is_set()

    def note_done(self) -> None:
        """One more has arrived."""
        with self._lock:
            self.done += 1


class PhoneThread(threading.Thread):
    """One phone and the wallet's server behind it."""

    def __init__(self, number: int, url: str, work: Work, luck: Random) -> None:
        super().__init__(name=f"phone {number}", daemon=True)
        self._work = work
        self._luck = luck
        self._cities = count(number)
        self._number = number
        self._keys = count()
        self._connection = HttpConnection(url, _PATIENCE_S)
        self._api = Api(self._connection, self._pause)
        self._caller = Caller(self._api, credentials.wallet())

    def run(self) -> None:
        """Get a card, load it thirty times, get another one, until all top-ups are made."""
        with self._connection, suppress(GiveUp):
            while self._use_a_card():
                pass

    def _use_a_card(self) -> bool:
        """Whether there is more to do after this card."""
        card: Card | None = None
        for _ in range(LOADS_PER_CARD):
            if not self._work.take():
                return False
            card = card or self._get_card()
            self._top_up(card)
        return True

    def _get_card(self) -> Card:
        """A card that works; an issuance that was given up is begun again on another element."""
        while True:
            card, state = self._issue()
            if state == "active":
                return card

    def _issue(self) -> tuple[Card, str]:
        scp = self._luck.choice(("02", "03"))
        card = Card(blank_element(Options(scp=scp, i=DEFAULT_I[scp], seed=self._new_key("element"))))
        self._work.truth.change(lambda truth: truth.cards.append(card))
        city = CITIES[next(self._cities) % len(CITIES)]
        body = {"city": city, "se_id": card.element.se_id}
        key = self._new_key("card")
        order = self._pursue(lambda: self._caller.post("/v1/issuances", body, key))
        card.number = order["card_no"]
        path = f"/v1/issuances/{order['order_id']}"
        return card, self._visit_until(card, path, _CARD_OVER, None, rough=False)

    def _top_up(self, card: Card) -> None:
        amount = self._luck.randrange(100, _MOST_FEN + 1)
        intent = Intent(str(card.number), self._new_key("trade"), amount)
        self._work.truth.change(lambda truth: truth.intents.append(intent))
        wants_back = self._luck.random() < _REFUND_SHARE
        body: Json = {"card_no": intent.card_no, "amount_fen": amount, "payment": _payment(intent)}
        if not wants_back:
            body["session"] = card_opening()
        key = self._new_key("order")
        order = self._pursue(lambda: self._caller.post("/v1/topups", body, key))
        intent.order_id = order["order_id"]
        path = f"/v1/topups/{intent.order_id}"
        if wants_back:
            back = self._new_key("refund")
            intent.state = self._pursue(lambda: self._caller.post(f"{path}/refund", {}, back))["state"]
        else:
            intent.state = self._visit_until(card, path, _OVER, order.get("session"), rough=True)
        self._work.note_done()

    def _visit_until(
        self, card: Card, path: str, over: frozenset[str], opened: Json | None, *, rough: bool
    ) -> str:
        """Hold the card to the phone again and again until its order is over; gives the order's state."""
        outbox = Outbox()
        while True:
            try:
                if self._visit(card, path, opened, outbox, rough=rough):
                    return str(self._pursue(lambda: self._caller.get(path))["state"])
            except _TROUBLE:
                self._breathe()
            except Refused as refusal:
                self._note(refusal)
                self._breathe()
            opened = None
            state = str(self._pursue(lambda: self._caller.get(path))["state"])
            if state in over:
                return state

    def _visit(self, card: Card, path: str, opened: Json | None, outbox: Outbox, *, rough: bool) -> bool:
        """One contact: hand in what an earlier one left, else a session of its own."""
        reader = Reader(CardOnPhone(card))
        phone = Phone(reader, self._api, outbox, self._mishaps() if rough else None)
        ending = phone.continue_pending()
        if ending is None:
            if opened is None:
                opening = card_opening() if rough else discover(reader).opening()
                order_id = path.rpartition("/")[2]
                opened = self._caller.post("/v1/sessions", {"order_id": order_id, **opening})
            ending = phone.converse(path.rpartition("/")[2], opened)
        return ending.done

    def _mishaps(self) -> Mishaps | None:
        """Now and then a phone dies, a card is torn, a report is sent twice."""
        if self._luck.random() > _MISHAP_SHARE:
            return None
        return self._luck.choice(
            (
                Mishaps(drop_after=self._luck.randrange(1, 8)),
                Mishaps(tear_after=self._luck.randrange(1, 8)),
                Mishaps(lose_report=self._luck.randrange(1, 3)),
                Mishaps(repeat_reports=True),
            )
        )

    def _pursue(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer; raises GiveUp for one that no repetition changes."""
        while True:
            try:
                return ask()
            except Unreachable:
                self._breathe()
            except Refused as refusal:
                self._note(refusal, is_final=not refusal.repeatable)
                if not refusal.repeatable:
                    raise GiveUp from refusal
                self._breathe()

    def _note(self, refusal: Refused, *, is_final: bool = False) -> None:
        """Count it; a mistake is what a platform should not say whatever is killed, or what ends a phone's work."""
        named = f"{refusal.status} {refusal.code}"
        mistake = is_final or refusal.status in (400, 404, 422)
        mistake |= refusal.status >= 500 and refusal.status != 503
        self._work.truth.change(lambda truth: truth.refusals.update([named]))
        if mistake:
            self._work.truth.change(lambda truth: truth.mistakes.update([named]))

    def _breathe(self) -> None:
        self._pause(self._luck.choice(_PAUSES_S))

    def _pause(self, seconds: float) -> None:
        if self._work.stop.wait(min(seconds, _PAUSES_S[-1])):
            raise GiveUp

    def _new_key(self, what: str) -> str:
        return f"{what}-{self._number}-{next(self._keys)}"


def _payment(intent: Intent) -> str:
    wallet = credentials.wallet()
    claims: dict[str, Any] = {
        "iss": wallet.caller_id,
        "aud": AUDIENCE,
        "iat": int(time.time()),
        "channel": "sandbox",
        "trade_no": intent.trade_no,
        "amount_fen": intent.amount_fen,
        "currency": "CNY",
        "paid_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return wallet.sign(claims, type_="payment+jwt")
