"""A card that this project did not make: a plastic e-purse with no GlobalPlatform, written from CARD.md alone.

It has odd habits: it wants SELECT without Le, keeps its number only in EF15, answers 61xx over its contacts, knows
neither logs nor GET TRANSACTION PROVE. Nothing of `ota` is imported here; keys come as `ota-sandbox cardkeys` prints them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

T_UNION = bytes.fromhex("A000000632010105")


def _ecb(algorithm: str, key: bytes, data: bytes) -> bytes:
    cipher = TripleDES((key * 3)[:24]) if algorithm == "3des" else SM4(key)
    encryptor = Cipher(cipher, modes.ECB()).encryptor()  # noqa: S305  what the card speaks
    return encryptor.update(data) + encryptor.finalize()


def _not(data: bytes) -> bytes:
    return bytes(0xFF ^ byte for byte in data)


def derive(algorithm: str, key: bytes, factor: bytes) -> bytes:
    """One level of diversification (CARD.md 2.2)."""
    if algorithm == "3des":
        return _ecb(algorithm, key, factor) + _ecb(algorithm, key, _not(factor))
    return _ecb(algorithm, key, factor + _not(factor))


def mac(algorithm: str, key: bytes, data: bytes) -> bytes:
    """CBC-MAC, four bytes (CARD.md 2.5): single DES under 8 bytes, SM4 under 16."""
    block = 8 if algorithm == "3des" else 16
    data += b"\x80"
    data += bytes(-len(data) % block)
    state = bytes(block)
    for at in range(0, len(data), block):
        mixed = bytes(a ^ b for a, b in zip(state, data[at : at + block], strict=True))
        state = _ecb(algorithm, key, mixed)
    return state[:4]


class StrangeCard:
    """One such card. ``contact`` makes it answer 61xx; ``tear`` names the instructions at which it is torn once."""

    def __init__(
        self,
        card_no: str,
        masters: Mapping[str, Mapping[str, Any]],
        *,
        algorithm: str = "3des",
        balance: int = 0,
        counter: int = 0,
        contact: bool = False,
        issuer: str = "02775880FFFFFFFF",
    ) -> None:
        self.ef15 = bytes.fromhex(f"{issuer}02010{card_no}20200101203012310000")
        self.balance = balance
        self.counter = counter
        self.tear_before: set[int] = set()
        self.tear_after: set[int] = set()
        self._algorithm = algorithm
        self._contact = contact
        keys = masters[algorithm]
        self._load_key = self._tac_key = b""
        for name in ("load", "tac"):
            key = bytes.fromhex(keys[f"{name}_master"])
            for factor in keys["factors"]:
                key = derive(algorithm, key, bytes.fromhex(factor))
            setattr(self, f"_{name}_key", key)
        self.reset()

    def reset(self) -> None:
        self._selected = False
        self._pending: tuple[bytes, bytes, bytes] | None = None
        self._waiting = b""

    def close(self) -> None:
        self.reset()

    def transmit(self, apdu: bytes) -> bytes:
        if apdu[1] in self.tear_before:
            self.tear_before.discard(apdu[1])
            self._tear()
        if apdu[:2] == b"\x00\xc0":
            return self._waiting or b"\x69\x85"
        answer = self._run(apdu)
        if apdu[1] in self.tear_after:
            self.tear_after.discard(apdu[1])
            self._tear()
        if self._contact and len(answer) > 2 and len(apdu) > 5:
            self._waiting = answer
            return bytes((0x61, len(answer) - 2))
        return answer

    def _tear(self) -> None:
        from ota.sandbox.transport import CardGone

        self.reset()
        raise CardGone("se_unavailable", "torn")

    def _run(self, apdu: bytes) -> bytes:  # noqa: PLR0911  one line per command
        header, data = apdu[:4].hex(), apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if header == "00a40400":
            return self._select(apdu, data)
        if apdu[0] not in (0x00, 0x80) or not self._selected:
            return b"\x6e\x00" if apdu[0] not in (0x00, 0x80) else b"\x69\x85"
        if header == "00b09500":
            return self.ef15 + b"\x90\x00" if apdu[4:5] == b"\x1e" else b"\x6c\x1e"
        if header == "805c0002":
            return self.balance.to_bytes(4, "big") + b"\x90\x00"
        if header == "80500002":
            return self._initialise(data)
        if header == "80520000":
            return self._credit(data)
        return b"\x6d\x00"

    def _select(self, apdu: bytes, name: bytes) -> bytes:
        if len(apdu) != 5 + len(name):
            return b"\x67\x00"
        self._selected = T_UNION.startswith(name)
        return bytes.fromhex("6F0A8408") + T_UNION + b"\x90\x00" if self._selected else b"\x6a\x82"

    def _initialise(self, data: bytes) -> bytes:
        if len(data) != 11 or data[0] != 1:
            return b"\x94\x03"
        amount, terminal = data[1:5], data[5:]
        random, counter = secrets.token_bytes(4), self.counter.to_bytes(2, "big")
        seed = random + counter + b"\x80\x00"
        session = _ecb(
            self._algorithm, self._load_key, seed if self._algorithm == "3des" else seed + _not(seed)
        )
        self._pending = session, amount, terminal
        balance = self.balance.to_bytes(4, "big")
        mac1 = mac(self._algorithm, session, balance + amount + b"\x02" + terminal)
        version = bytes((1, 0 if self._algorithm == "3des" else 4))
        return balance + counter + version + random + mac1 + b"\x90\x00"

    def _credit(self, data: bytes) -> bytes:
        if self._pending is None:
            return b"\x69\x85"
        session, amount, terminal = self._pending
        self._pending = None
        what = amount + b"\x02" + terminal + data[:7]
        if mac(self._algorithm, session, what) != data[7:11]:
            return b"\x93\x02"
        counter = self.counter.to_bytes(2, "big")
        self.balance += int.from_bytes(amount, "big")
        self.counter += 1
        key = self._tac_key
        if self._algorithm == "3des":
            key = bytes(a ^ b for a, b in zip(key[:8], key[8:], strict=True))
        return mac(self._algorithm, key, self.balance.to_bytes(4, "big") + counter + what) + b"\x90\x00"
