"""A city's terminal: loads whatever card lies on its reader, and settles what an earlier contact left open.

The card may be one that nobody here made: its number is read from EF15, nothing else is assumed (PROTOCOL.md, terminals).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import jwt

from ota.sandbox import batch as batches
from ota.sandbox.api import Json, Refused
from ota.sandbox.caller import Caller
from ota.sandbox.face import T_UNION, Face, read_balance, read_face
from ota.sandbox.phone import Vanished
from ota.sandbox.reader import Answer, Reader
from ota.sandbox.transport import CardGone
from ota.sandbox.wallet import new_key

LOADS: Final = "/v1/terminals/loads"
_MOST_MOVES: Final = 8
"""A platform that keeps asking is left alone."""
_INIT_LENGTH: Final = 16


class CardRefused(Exception):
    """The card did not take a command that the terminal needs."""

    def __init__(self, command: str, answer: Answer) -> None:
        super().__init__(f"{command} was answered {answer.sw_hex}")
        self.sw = answer.sw_hex


@dataclass(frozen=True, slots=True)
class Mishaps:
    """Accidents of a terminal: it dies before CREDIT FOR LOAD is sent, or before the card's answer is reported."""

    drop_before_credit: bool = False
    lose_report: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a contact ended. Balances in fen, None where the card could not be read; ``move`` is the last answer."""

    card_no: str
    balance_before_fen: int | None
    balance_after_fen: int | None
    exchanges: int
    move: Json

    @property
    def ok(self) -> bool:
        """Whether the money is proven to be on the card, or nothing was open."""
        return self.move["state"] in ("loaded", "nothing_to_resume")

    def to_json(self) -> Json:
        """For machines: the words of the API."""
        return {
            "ok": self.ok,
            "card_no": self.card_no,
            "balance_before_fen": self.balance_before_fen,
            "balance_after_fen": self.balance_after_fen,
            "load_id": self.move.get("load_id"),
            "amount_fen": self.move.get("amount_fen"),
            "state": self.move["state"],
            "order_state": self.move.get("order_state"),
            "money": self.move.get("money"),
            "exchanges": self.exchanges,
            "receipt": self.move.get("receipt"),
            "problem": self.move.get("problem"),
        }


class Terminal:
    """One terminal with a card on its reader. Methods raise Refused, Unreachable, CardGone, NotReadable, CardRefused."""

    def __init__(
        self,
        reader: Reader,
        caller: Caller,
        *,
        aid: str = T_UNION,
        key_index: int = 1,
        mishaps: Mishaps | None = None,
        tell: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._reader = reader
        self._caller = caller
        self._aid = aid
        self._key_index = key_index
        self._mishaps = mishaps or Mishaps()
        self._tell = tell
        self._exchanges = 0

    @property
    def number(self) -> str:
        """The terminal's own number, 12 digits, as its access token says it."""
        claims = jwt.decode(self._caller.token, options={"verify_signature": False})
        return str(claims["terminal_no"])

    def load(self, amount_fen: int) -> Loaded:
        """Take the money and load the card; raises Vanished when that was asked for."""
        face = read_face(self._reader, self._aid)
        self._tell(f"card {face.card_no}, balance {face.balance_fen} fen")
        init = self._initialise(amount_fen)
        body = {
            "terminal_no": self.number,
            "terminal_seq": int(time.time()) & 0xFFFF_FFFF,
            "card_no": face.card_no,
            "amount_fen": amount_fen,
            "payment": self._caller.payment(amount_fen),
            "init": init,
            "ef15": face.ef15.hex().upper(),
        }
        self._exchanges += 1
        return self._finish(face, self._caller.post(LOADS, body, new_key()))

    def resume(self) -> Loaded:
        """Settle every open load of the card on the reader, oldest first, whoever took its money."""
        face = read_face(self._reader, self._aid)
        settled: Loaded | None = None
        for _ in range(_MOST_MOVES):
            move = self._open_load(face)
            if move is None:
                break
            settled = self._finish(face, move)
            if not settled.ok:
                break
        return settled or Loaded(
            face.card_no, face.balance_fen, face.balance_fen, self._exchanges, {"state": "nothing_to_resume"}
        )

    def _open_load(self, face: Face) -> Json | None:
        self._exchanges += 1
        try:
            return self._caller.post(f"{LOADS}/resume", {"terminal_no": self.number, "card_no": face.card_no})
        except Refused as refusal:
            if refusal.code != "nothing_to_resume":
                raise
            return None

    def _initialise(self, amount_fen: int) -> Json:
        """INITIALIZE FOR LOAD with the terminal's own number; the answer's fields as the platform wants them."""
        command = f"805000020B{self._key_index:02X}{amount_fen:08X}{self.number}10"
        answer = self._reader.send(command, "INITIALIZE FOR LOAD")
        if not answer.ok or len(answer.data) != _INIT_LENGTH:
            raise CardRefused("INITIALIZE FOR LOAD", answer)
        data = answer.data
        return {
            "balance": int.from_bytes(data[:4], "big"),
            "online_atc": int.from_bytes(data[4:6], "big"),
            "key_version": data[6],
            "algorithm": data[7],
            "random": data[8:12].hex().upper(),
            "mac1": data[12:16].hex().upper(),
        }

    def _finish(self, face: Face, move: Json) -> Loaded:
        """Do what the platform says until it says nothing more."""
        for _ in range(_MOST_MOVES):
            if move["state"] == "authorised":
                move = self._credit(move)
            elif move["state"] == "probe":
                move = self._answer_question(move)
            else:
                break
        return Loaded(face.card_no, face.balance_fen, self._balance_now(), self._exchanges, move)

    def _credit(self, move: Json) -> Json:
        if self._mishaps.drop_before_credit:
            self._vanish("before CREDIT FOR LOAD")
        answer = self._reader.send(move["apdu"], "CREDIT FOR LOAD")
        balance = read_balance(self._reader) if answer.ok else None
        if self._mishaps.lose_report:
            self._vanish("before the card's answer was reported")
        tac = answer.data[:4].hex().upper() if answer.ok and len(answer.data) >= 4 else None
        return self._hand_in(move, "result", {"sw": answer.sw_hex, "tac": tac, "balance": balance})

    def _answer_question(self, move: Json) -> Json:
        self._tell("an earlier load is open: the platform asks the card first")
        orders = batches.read_orders(move["probe"]["commands"])
        results, _, error = batches.run(self._reader, orders)
        if error is not None:
            raise CardGone(error, "the card left while it was asked")
        answers = [batches.result_view(each) for each in results]
        return self._hand_in(move, "probe", {"nonce": move["probe"]["nonce"], "results": answers})

    def _hand_in(self, move: Json, what: str, body: dict[str, Any]) -> Json:
        self._exchanges += 1
        return self._caller.post(f"{LOADS}/{quote(move['load_id'], safe='')}/{what}", body)

    def _vanish(self, when: str) -> None:
        self._reader.close()
        raise Vanished(f"the terminal vanished {when}")

    def _balance_now(self) -> int | None:
        try:
            return read_balance(self._reader)
        except CardGone:
            return None
