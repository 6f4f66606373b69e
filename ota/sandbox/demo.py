"""The demonstration: an empty secure element becomes a card of a city, gets money, and everything is checked twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ota.sandbox.api import Api, Json
from ota.sandbox.errands import Errand, PhoneUser
from ota.sandbox.face import (
    LINGNANTONG,
    LINGNANTONG_WALLET,
    T_UNION,
    Face,
    find_face,
    read_balance,
    select,
)
from ota.sandbox.factors import factors_of
from ota.sandbox.reader import Reader, Spoken
from ota.sandbox.receipts import ReceiptWrong, verify_receipt
from ota.sandbox.transcript import Transcript
from ota.sandbox.wallet import WalletServer
from ota.sandbox.witness import NothingToWitness, Verdict, examine

AMOUNT_FEN: Final = 5000
_NOTHING: Final = Verdict(mac1_ok=False, mac2_ok=False, tac_ok=False)


class DemoFailed(Exception):
    """Something is not as it should be; the message says what."""


@dataclass
class Checks:
    """What was looked at: printed, and remembered for the end."""

    transcript: Transcript
    failed: list[str] = field(default_factory=list)

    def hold(self, holds: bool, sentence: str) -> bool:  # noqa: FBT001  it is the sentence's first word
        """Note whether a sentence is true; gives it back."""
        self.transcript.fact(holds, sentence)
        if not holds:
            self.failed.append(sentence)
        return holds


@dataclass(frozen=True, slots=True)
class Demo:
    """One run against a platform with the sandbox's keys."""

    api: Api
    wallet: WalletServer
    user: PhoneUser
    reader: Reader
    transcript: Transcript
    factors_of: Callable[[str], tuple[bytes, ...]] = factors_of

    def run(self, city: str) -> Json:
        """Issue, top up, read back; gives the figures. Raises DemoFailed, and what phone and platform raise."""
        checks = Checks(self.transcript)
        offer = self._offer(city)
        name = str(offer["city_name"]["en"])

        self.transcript.heading(
            f"A blank card of {name}", f"空发 {offer['city_name']['zh-CN']} {offer['brand']}"
        )
        issued = self.user.get_card(city)
        checks.hold(issued.ok, f"the platform calls the card {issued.ending.outcome.get('state')}")
        _stop_unless(issued.ok, issued)

        self.transcript.heading("Read it as a stranger would", "读卡核对")
        applications, face = self._read_back(checks, 0)
        checks.hold(
            face.card_no == issued.card_no, f"the card on the phone is {face.card_no}, as the platform says"
        )

        self.transcript.heading(f"Load {AMOUNT_FEN / 100:.2f} yuan", "圈存充值")
        with self.reader.keeping() as spoken:
            loaded = self.user.top_up(AMOUNT_FEN)
        _stop_unless(loaded.ok, loaded)
        testimony = self._witness(spoken, face.card_no)
        receipt_ok = self._receipt_holds(loaded)
        mac1_ok = checks.hold(
            testimony.mac1_ok and testimony.mac2_ok,
            "MAC1 is the card's own, checked by the platform before MAC2 left, and computed again here",
        )
        tac_ok = checks.hold(
            testimony.tac_ok and receipt_ok,
            "TAC verified: computed again here, and the platform's receipt verifies with its published key",
        )

        self.transcript.heading("Read it again", "再次读卡")
        applications, after = self._read_back(checks, AMOUNT_FEN)
        self._sum_up(issued, loaded)
        if checks.failed:
            raise DemoFailed("; ".join(checks.failed))
        return {
            "city": name.lower(),
            "card_no": face.card_no,
            "applications": applications,
            "balance_before_fen": loaded.balance_before_fen,
            "balance_after_fen": after.balance_fen,
            "exchanges_issue": issued.ending.exchanges,
            "exchanges_topup": loaded.ending.exchanges,
            "mac1_ok": mac1_ok,
            "tac_ok": tac_ok,
        }

    def _offer(self, city: str) -> Json:
        """The card that the platform offers for a city, by its code, its English or its Chinese name."""
        offers = self.wallet.products()
        for offer in offers:
            names = {offer["city"], offer["city_name"]["en"].lower(), offer["city_name"]["zh-CN"]}
            if city.lower() in names:
                return offer
        known = ", ".join(sorted(offer["city_name"]["en"].lower() for offer in offers))
        raise DemoFailed(f"no card of {city} is offered; expected one of {known}")

    def _read_back(self, checks: Checks, expected_fen: int) -> tuple[list[str], Face]:
        """Both applications, as public readers ask: Lingnantong first, then T-Union."""
        readable = []
        basics = select(self.reader, LINGNANTONG)
        number = self.reader.send("00B0950046")
        wallet = select(self.reader, LINGNANTONG_WALLET)
        wallet_fen = read_balance(self.reader)
        if basics.ok and number.ok and wallet.ok and wallet_fen is not None:
            readable.append("lingnantong")
        face = find_face(self.reader, T_UNION)
        if face is None:
            raise DemoFailed("the T-Union application cannot be read")
        readable.append("t-union")
        checks.hold(len(readable) == 2, f"both applications can be read: {', '.join(readable)}")
        checks.hold(
            face.balance_fen == wallet_fen == expected_fen,
            f"both show the one purse: {(face.balance_fen or 0) / 100:.2f} yuan",
        )
        return readable, face

    def _witness(self, spoken: list[Spoken], card_no: str) -> Verdict:
        try:
            return examine(spoken, self.factors_of(card_no))
        except NothingToWitness as nothing:
            self.transcript.note(str(nothing))
            return _NOTHING

    def _receipt_holds(self, loaded: Errand) -> bool:
        expected: dict[str, Any] = {
            "order_id": loaded.order_id,
            "state": "loaded",
            "card_no": loaded.card_no,
            "amount_fen": AMOUNT_FEN,
        }
        try:
            claims = verify_receipt(self.api, loaded.ending.receipt or "")
        except ReceiptWrong as wrong:
            self.transcript.note(f"receipt: {wrong}")
            return False
        return expected.items() <= claims.items()

    def _sum_up(self, issued: Errand, loaded: Errand) -> None:
        self.transcript.heading("Done", "完成")
        self.transcript.note(
            f"exchanges with the platform: {issued.ending.exchanges} to issue, {loaded.ending.exchanges} to top up; "
            f"the platform took {self.transcript.platform_seconds * 1000:.0f} ms over all requests, "
            f"the virtual card {self.transcript.card_seconds * 1000:.0f} ms"
        )


def _stop_unless(ok: bool, errand: Errand) -> None:  # noqa: FBT001  it is the sentence
    if not ok:
        problem = errand.ending.problem or {}
        message = problem.get("message", {}).get("en", "")
        raise DemoFailed(f"{errand.order_id} ended {errand.ending.state}: {problem.get('code')} {message}")
