"""A secure channel as it may be stored between two exchanges: everything that re-derives it, and no key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from ota.card.apdu import from_hex
from ota.card.globalplatform.variant import SCP02, ScpVariant
from ota.card.keys import Algorithm
from ota.core.errors import InvalidValue
from ota.hsm_adapter.keys import Diversification, KeySetRef

__all__ = ["Channel", "ChannelRequest", "ExportedKey", "ScpVariant", "WrappedCommand"]

_FORMAT: Final = 2
_MAX_COUNTER: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """What a channel is to be: keys, protocol, level, the 8-byte host challenge and the security domain's AID.

    ``key_version`` is the one that the card must state; None when it is the master keys' own version.
    """

    keys: KeySetRef
    scp: ScpVariant
    level: int
    host_challenge: bytes
    security_domain: bytes
    key_version: int | None = None

    def __post_init__(self) -> None:
        self.scp.check_level(self.level)
        if len(self.host_challenge) != 8:
            raise InvalidValue("host_challenge", "8 bytes")
        if not 5 <= len(self.security_domain) <= 16:
            raise InvalidValue("security_domain", "an AID of 5 to 16 bytes")
        wanted = (Algorithm.TDES,) if self.scp.protocol == SCP02 else _AES
        if self.keys.algorithm not in wanted:
            raise InvalidValue("algorithm", f"{' or '.join(wanted)} for {self.scp}")
        if not 0 <= self.stated_version <= 0xFF:
            raise InvalidValue("key_version", "0 to 255")

    @property
    def stated_version(self) -> int:
        """The key version that the card's answer must name."""
        return self.keys.version if self.key_version is None else self.key_version


@dataclass(frozen=True, slots=True, repr=False)
class Channel:
    """An open (or predicted) channel: what opened it, the last C-MAC and how many commands went before.

    ``initialize_update_response`` is the card's answer without status word, real or predicted; ``chaining`` is
    8 bytes for SCP02, 16 for SCP03. The session keys are derived again from these inside the HSM each time. ``seal``
    proves that this platform wrote all that (`ota.hsm_adapter.sealed_channels`).
    """

    request: ChannelRequest
    initialize_update_response: bytes
    chaining: bytes
    counter: int
    seal: bytes = b""

    def __post_init__(self) -> None:
        if len(self.chaining) != (8 if self.request.scp.protocol == SCP02 else 16):
            raise InvalidValue("chaining", "8 bytes for SCP02, 16 for SCP03")
        if type(self.counter) is not int or not 0 <= self.counter <= _MAX_COUNTER:
            raise InvalidValue("counter", f"0 to {_MAX_COUNTER}")

    def __repr__(self) -> str:
        return f"Channel({self.request.scp}, level={self.request.level:02X}, counter={self.counter})"

    def to_json(self) -> str:
        """The channel as text for a database row."""
        keys = self.request.keys
        return json.dumps(
            {
                "format": _FORMAT,
                "issuer": keys.issuer,
                "version": keys.version,
                "algorithm": keys.algorithm,
                "diversification": keys.diversification,
                "scp": self.request.scp.protocol,
                "i": self.request.scp.i,
                "level": self.request.level,
                "host_challenge": self.request.host_challenge.hex(),
                "security_domain": self.request.security_domain.hex(),
                "key_version": self.request.key_version,
                "initialize_update_response": self.initialize_update_response.hex(),
                "chaining": self.chaining.hex(),
                "counter": self.counter,
                "seal": self.seal.hex(),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a stored channel back; raises InvalidValue when it is not one."""
        try:
            stored = json.loads(text)
            if stored["format"] != _FORMAT:
                raise InvalidValue("channel", f"format {_FORMAT}")
            return cls(
                request=_request(stored),
                initialize_update_response=from_hex("channel", stored["initialize_update_response"]),
                chaining=from_hex("channel", stored["chaining"]),
                counter=stored["counter"],
                seal=from_hex("channel", stored["seal"]),
            )
        except (KeyError, TypeError, ValueError):
            raise InvalidValue("channel", "a stored secure channel") from None


@dataclass(frozen=True, slots=True, repr=False)
class WrappedCommand:
    """A command as it goes over the channel, and the ticket with which its answer is unwrapped."""

    apdu: bytes
    ticket: str

    def __repr__(self) -> str:
        return f"WrappedCommand({self.apdu[:4].hex().upper()}, {len(self.apdu)} bytes)"


@dataclass(frozen=True, slots=True, repr=False)
class ExportedKey:
    """A card key enciphered under a channel's data encryption key, and its 3-byte check value."""

    cipher: bytes
    kcv: bytes

    def __repr__(self) -> str:
        return f"ExportedKey({len(self.cipher)} bytes, kcv={self.kcv.hex().upper()})"


_AES: Final = (Algorithm.AES128, Algorithm.AES192, Algorithm.AES256)


def _request(stored: dict[str, Any]) -> ChannelRequest:
    return ChannelRequest(
        keys=KeySetRef(
            issuer=stored["issuer"],
            version=stored["version"],
            algorithm=Algorithm(stored["algorithm"]),
            diversification=Diversification(stored["diversification"]),
        ),
        scp=ScpVariant(stored["scp"], stored["i"]),
        level=stored["level"],
        host_challenge=from_hex("channel", stored["host_challenge"]),
        security_domain=from_hex("channel", stored["security_domain"]),
        key_version=stored["key_version"],
    )
