"""An independent eye on a load: computes MAC1, MAC2 and TAC again from what was said to the card and the test masters.

Shares no line with the platform: the ciphers are those of the virtual element, the masters the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ota.sandbox.element import Algorithm, crypto
from ota.sandbox.element import purse_crypto as purse
from ota.sandbox.reader import Spoken
from ota.sandbox.test_masters import published_master

_ALGORITHMS: Final = {0x00: Algorithm.TDES, 0x01: Algorithm.SM4, 0x04: Algorithm.SM4}
MASTERS: Final = {Algorithm.TDES: "3DES", Algorithm.SM4: "SM4"}
"""How the masters of an algorithm are called."""

_EP_LOAD: Final = b"\x02"


class NothingToWitness(Exception):
    """No load was made, or none by keys that this eye knows."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether each value is the one that the keys give."""

    mac1_ok: bool
    mac2_ok: bool
    tac_ok: bool


def examine(spoken: Sequence[Spoken], factors: Sequence[bytes]) -> Verdict:
    """Look at the last load among commands and answers; raises NothingToWitness."""
    credit_at = _last(spoken, "80520000", 4)
    init_at = _last(spoken[:credit_at], "80500002", 16)
    asked, told = spoken[init_at].command, spoken[init_at].answer.data
    sent, tac = spoken[credit_at].command, spoken[credit_at].answer.data
    algorithm = _ALGORITHMS.get(told[7])
    if algorithm is None:
        raise NothingToWitness(f"the card states algorithm {told[7]:02X}")

    balance, counter, random = told[:4], told[4:6], told[8:12]
    amount, terminal = asked[6:10], asked[10:16]
    what = amount + _EP_LOAD + terminal
    at, mac2 = sent[5:12], sent[12:16]
    session = purse.session_key(
        algorithm, card_key("load", algorithm, factors), random + counter + b"\x80\x00"
    )
    tac_key = purse.tac_key(algorithm, card_key("tac", algorithm, factors), sm4_xor=False)
    after = int.from_bytes(balance, "big") + int.from_bytes(amount, "big")
    return Verdict(
        mac1_ok=purse.transaction_mac(algorithm, session, balance + what) == told[12:16],
        mac2_ok=purse.transaction_mac(algorithm, session, what + at) == mac2,
        tac_ok=purse.transaction_mac(algorithm, tac_key, after.to_bytes(4, "big") + counter + what + at)
        == tac,
    )


def card_key(role: str, algorithm: Algorithm, factors: Sequence[bytes]) -> bytes:
    """A card's key, from the published master."""
    return diversified(published_master(role, MASTERS[algorithm]), algorithm, factors)


def diversified(key: bytes, algorithm: Algorithm, factors: Sequence[bytes]) -> bytes:
    """A master, diversified once for each factor, outermost first (CARD.md 2.2)."""
    for factor in factors:
        if algorithm is Algorithm.TDES:
            cipher = crypto.des(key)
            key = crypto.encrypt(cipher, factor) + crypto.encrypt(cipher, crypto.invert(factor))
        else:
            key = crypto.encrypt(crypto.sm4(key), factor + crypto.invert(factor))
    return key


def _last(spoken: Sequence[Spoken], header: str, length: int) -> int:
    """Index of the last successful command with this header and this many bytes of answer."""
    for index in range(len(spoken) - 1, -1, -1):
        each = spoken[index]
        if (
            each.command[:4].hex() == header
            and each.answer.ok
            and len(each.answer.data) == length
            and len(each.command) >= 16
        ):
            return index
    raise NothingToWitness(f"no command {header} succeeded")
