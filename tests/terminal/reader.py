"""A city's terminal with a card on its reader: asks the card, asks the platform, tells the platform."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from ota.sandbox.element.card_os import Element
from tests.elements import TUNION
from tests.parties import PARTIES
from tests.platform import Platform

SELECT = b"\x00\xa4\x04\x00" + bytes((len(TUNION),)) + TUNION
READ_EF15 = bytes.fromhex("00B095001E")
Body = dict[str, Any]


@dataclass
class Reader:
    """One terminal, one card."""

    platform: Platform
    element: Element
    by: str = "terminal"

    @property
    def terminal_no(self) -> str:
        terminal = PARTIES[self.by].caller.terminal
        assert terminal is not None
        return terminal.digits

    def ask_card(self, amount: int) -> Body:
        """INITIALIZE FOR LOAD with the terminal's own number; everything that the platform wants to know."""
        self.element.transmit(SELECT)
        ef15 = self.element.transmit(READ_EF15)[:-2]
        data = b"\x01" + amount.to_bytes(4, "big") + bytes.fromhex(self.terminal_no)
        answer = self.element.transmit(bytes.fromhex("805000020B") + data + b"\x10")[:-2]
        return {
            "terminal_no": self.terminal_no,
            "terminal_seq": 1,
            "card_no": ef15.hex()[21:40],
            "amount_fen": amount,
            "payment": self.platform.payment(amount, by=self.by),
            "init": {
                "balance": int.from_bytes(answer[0:4], "big"),
                "online_atc": int.from_bytes(answer[4:6], "big"),
                "key_version": answer[6],
                "algorithm": answer[7],
                "random": answer[8:12].hex(),
                "mac1": answer[12:16].hex(),
            },
            "ef15": ef15.hex(),
        }

    def send(self, body: Body, key: str | None = None) -> TestResponse:
        return self.platform.post("/v1/terminals/loads", body, by=self.by, key=key)

    def order(self, amount: int = 5000) -> Body:
        """Ask for a load and get the platform's first move."""
        answer = self.send(self.ask_card(amount))
        assert answer.status_code == 201, answer.text
        return answer.json or {}

    def credit(self, move: Body) -> bytes:
        """Give the card the command of an authorised move; its whole answer."""
        return self.element.transmit(bytes.fromhex(move["apdu"]))

    def tell(self, move: Body, answer: bytes) -> TestResponse:
        """Hand in what the card answered to CREDIT FOR LOAD."""
        body: Body = {"sw": answer[-2:].hex()}
        if len(answer) > 2:
            body["tac"] = answer[:-2].hex()
        return self.platform.post(f"/v1/terminals/loads/{move['load_id']}/result", body, by=self.by)

    def run_probe(self, move: Body) -> list[Body]:
        """Put the platform's question to the card."""
        results: list[Body] = []
        for command in move["probe"]["commands"]:
            answer = self.element.transmit(bytes.fromhex(command["apdu"]))
            results.append({"i": command["i"], "sw": answer[-2:].hex(), "data": answer[:-2].hex()})
            if not re.fullmatch(command["expect"], answer[-2:].hex().upper()):
                break
        return results

    def answer_probe(self, move: Body, results: Sequence[Body] | None = None) -> TestResponse:
        body = {"nonce": move["probe"]["nonce"], "results": list(results or self.run_probe(move))}
        return self.platform.post(f"/v1/terminals/loads/{move['load_id']}/probe", body, by=self.by)

    def ask(self, load_id: str) -> TestResponse:
        """Ask the platform for a question."""
        return self.platform.post(f"/v1/terminals/loads/{load_id}/probe", {}, by=self.by)

    def resume(self, card_no: str) -> TestResponse:
        body = {"terminal_no": self.terminal_no, "card_no": card_no}
        return self.platform.post("/v1/terminals/loads/resume", body, by=self.by)

    def finish(self, move: Body) -> Body:
        """Go on until the money is on the card, or the platform stops."""
        for _ in range(8):
            if move["state"] == "authorised":
                move = self.tell(move, self.credit(move)).json or {}
            elif move["state"] == "probe":
                move = self.answer_probe(move).json or {}
            else:
                return move
        raise AssertionError(move)

    def load(self, amount: int = 5000) -> Body:
        return self.finish(self.order(amount))
