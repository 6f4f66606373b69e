"""A city's terminal in virtual time: loads the card on its reader, settles what is open; or plays old answers again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ota.sandbox import batch as batches
from ota.sandbox.simulation import contact
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.intention import Intention
from ota.sandbox.simulation.process import Json, Reply
from ota.sandbox.simulation.schedule import Pause, Steps

LOADS: Final = "/v1/terminals/loads"
NOTHING: Final = "nothing_to_resume"
_SELECT: Final = "00A4040008A00000063201010500"
_READ_EF15: Final = "00B095001E"
_MOST_MOVES: Final = 8


class Terminal:
    """One terminal with the luck of one errand."""

    def __init__(self, caller: Caller, number: str, luck: Luck) -> None:
        self._caller = caller
        self._number = number
        self._luck = luck
        self._hoard: tuple[str, dict[str, Any]] | None = None
        """A question of the platform, and an answer to it that was not given."""

    def begin(self, card: Card, amount_fen: int, key: str) -> Steps[Intention | None]:
        """Take the money and ask the card; what is to be sent to the platform, None when the card does not answer."""
        face = self._send(card, _SELECT), self._send(card, _READ_EF15)
        yield Pause(0.1)
        init = yield from self._initialise(card, amount_fen)
        if init is None or face[1] is None or not face[1].ok:
            return None
        amount_fen, answer = init
        trade = self._caller.truth.pay(self._caller.id, amount_fen)
        body = {
            "terminal_no": self._number,
            "terminal_seq": len(self._caller.truth.trades),
            "card_no": card.digits,
            "amount_fen": amount_fen,
            "payment": self._caller.payment(trade.number, amount_fen),
            "init": _fields(answer),
            "ef15": face[1].data.hex(),
        }
        return Intention(LOADS, body, key, (trade,))

    def carry_out(self, card: Card, move: Json) -> Steps[str]:
        """Do what the platform says until it says nothing more; its last word."""
        for _ in range(_MOST_MOVES):
            if move["state"] == "authorised":
                reply = yield from self._credit(card, move)
            elif move["state"] == "probe":
                reply = yield from self._answer_question(card, move)
            else:
                return _word(move)
            if reply is None or not reply.ok:
                return "no answer" if reply is None else reply.code
            move = reply.json
        return "too many moves"

    def resume(self, card: Card) -> Steps[str]:
        """Settle the oldest open load of the card; "nothing_to_resume" when there is none."""
        body = {"terminal_no": self._number, "card_no": card.digits}
        reply = yield from self._ask(f"{LOADS}/resume", body)
        if reply is None or not reply.ok:
            return "no answer" if reply is None else reply.code
        return (yield from self.carry_out(card, reply.json))

    def _initialise(self, card: Card, amount_fen: int) -> Steps[tuple[int, bytes] | None]:
        """Amount and answer of INITIALIZE FOR LOAD with the terminal's own number; or of an earlier one."""
        old = [reading for reading in card.readings if reading[0][8:] == self._number]
        if self._luck.strikes(Fault.OLD_ANSWER) and old:
            asked, data = self._luck.choice.choice(old)
            return int(asked[:8], 16), data
        yield Pause(0.1)
        answer = self._send(card, f"{contact.INITIALISE}0B01{amount_fen:08X}{self._number}10")
        if answer is None or not answer.ok:
            return None
        return amount_fen, answer.data

    def _credit(self, card: Card, move: Json) -> Steps[Reply | None]:
        if self._luck.strikes(Fault.PHONE_DIES):
            return None
        yield Pause(0.1)
        answer = self._send(card, move["apdu"])
        if self._luck.strikes(Fault.PHONE_FORGETS):
            return None
        body: dict[str, Any] = {
            "sw": "6F00" if answer is None else answer.sw_hex,
            "tac": None,
            "balance": None,
        }
        if answer is not None and answer.ok:
            body["tac"] = answer.data[:4].hex()
        body |= self._lie(body)
        reply = yield from self._hand_in(move, "result", body)
        yield from self._play_hoarded(move)
        return reply

    def _lie(self, body: Mapping[str, Any]) -> dict[str, Any]:
        random = self._luck.choice
        if self._luck.strikes(Fault.FALSE_SUCCESS):
            return {"sw": "9000", "tac": random.randbytes(4).hex()}
        if self._luck.strikes(Fault.FALSE_FAILURE):
            return {"sw": "6985", "tac": None}
        if self._luck.strikes(Fault.LYING_BYTES) and body["tac"] is not None:
            return {"tac": random.randbytes(4).hex()}
        return {}

    def _answer_question(self, card: Card, move: Json) -> Steps[Reply | None]:
        orders = batches.read_orders(move["probe"]["commands"])
        nonce = move["probe"]["nonce"]
        hoarding = self._luck.strikes(Fault.HOARDED_ANSWER)
        if hoarding:
            first = yield from contact.run(card, orders, self._luck)
            if first.error is None and first.stopped_at is None:
                self._hoard = (move["load_id"], _answers(nonce, first))
        told = yield from contact.run(card, orders, self._luck)
        if told.error is not None:
            return None
        return (yield from self._hand_in(move, "probe", _answers(nonce, told)))

    def _play_hoarded(self, move: Json) -> Steps[None]:
        """After the credit, answer the question of before with what the card said before."""
        hoard, self._hoard = self._hoard, None
        if hoard is not None and hoard[0] == move["load_id"]:
            yield from self._ask(f"{LOADS}/{hoard[0]}/probe", hoard[1])

    def _hand_in(self, move: Json, what: str, body: Json) -> Steps[Reply | None]:
        return (yield from self._ask(f"{LOADS}/{move['load_id']}/{what}", body))

    def _ask(self, path: str, body: Json) -> Steps[Reply | None]:
        return (yield from self._caller.ask(self._luck, "POST", path, body))

    def _send(self, card: Card, apdu: str) -> Any:
        return contact.transmit(card, apdu, self._luck)


def _answers(nonce: str, told: contact.Told) -> dict[str, Any]:
    return {"nonce": nonce, "results": [batches.result_view(each) for each in told.results]}


def _fields(answer: bytes) -> dict[str, Any]:
    """The 16 bytes of INITIALIZE FOR LOAD as the platform wants them."""
    return {
        "balance": int.from_bytes(answer[:4], "big"),
        "online_atc": int.from_bytes(answer[4:6], "big"),
        "key_version": answer[6],
        "algorithm": answer[7],
        "random": answer[8:12].hex(),
        "mac1": answer[12:16].hex(),
    }


def _word(move: Json) -> str:
    problem = move.get("problem")
    return str(problem["code"] if problem else move["state"])
