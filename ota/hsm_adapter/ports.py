"""What the application may ask of keys, in business verbs; no method takes or returns key bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from ota.hsm_adapter.channel import Channel, ChannelRequest, ExportedKey, ScpVariant, WrappedCommand

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.keys import Algorithm
    from ota.card.purse import Load
    from ota.core.values import Mac4
    from ota.hsm_adapter.errors import Mac1Wrong
    from ota.hsm_adapter.keys import CardKey, KeyRef, KeyState

__all__ = [
    "Capabilities",
    "CardAuthority",
    "Channel",
    "ChannelRequest",
    "ExportedKey",
    "Exposure",
    "Health",
    "Hsm",
    "KeyAdministration",
    "KeyEntry",
    "KeyWriting",
    "Operation",
    "ScpVariant",
    "Signer",
    "WrappedCommand",
]


class Exposure(IntEnum):
    """How much of a card key is ever seen outside the token while an operation runs (HSM.md)."""

    NONE = 0
    HALF_CARD_KEY = 1
    CARD_KEY = 2


class Operation(StrEnum):
    """What an HSM can be asked to do; capabilities and exposure are told per operation."""

    AUTHORISE_LOAD = "authorise_load"
    CHECK_MAC1 = "check_mac1"
    VERIFY_TAC = "verify_tac"
    OPEN_CHANNEL = "open_channel"
    EXPORT_CARD_KEY = "export_card_key"
    SECURE_APDU = "secure_apdu"
    WRITE_KEY = "write_key"
    EXTERNAL_AUTH = "external_auth"
    KCV = "kcv"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the start-up probe saw work: each operation was run and its result compared with a known answer."""

    backend: str
    operations: Mapping[tuple[Operation, Algorithm], Exposure]

    def supports(self, operation: Operation, algorithm: Algorithm) -> bool:
        """Whether the operation gave the known answer for this algorithm."""
        return (operation, algorithm) in self.operations


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the HSM can answer; ``detail`` says why not, in words that may be shown."""

    ok: bool
    backend: str
    detail: str


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A line of the catalogue: a key's name, state and check value, and whether it is a published test key.

    ``exportable`` is what the key's owner allowed: whether it may leave in a key block.
    """

    ref: KeyRef
    state: KeyState
    kcv: bytes
    test: bool
    exportable: bool = True


@dataclass(frozen=True, slots=True)
class KeyWriting:
    """Where a card key goes in WRITE KEY (CARD.md 2.6): P1, P2 and the 4-byte header before the key."""

    key_type: int
    index: int
    header: bytes


class CardAuthority(Protocol):
    """Who answers for a card's loads: the provincial HSM or a self-issuing city's own host."""

    def check_mac1(self, key: CardKey, load: Load) -> None:
        """Raise Mac1Wrong unless the card's MAC1 holds."""
        ...

    def require_authorising(self, key: CardKey) -> None:
        """Raise KeyNotUsable or KeyUnknown unless the key may authorise loads now; says nothing about a card."""
        ...

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        """Verify MAC1, then make MAC2, in one call; raises Mac1Wrong. The same load gives the same MAC2."""
        ...

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:
        """Raise TacWrong unless the card's TAC of the load holds."""
        ...


class Hsm(CardAuthority, Protocol):
    """Everything the platform asks of a security module. Operations are pure: asking twice gives the same."""

    def authorise_loads(self, requests: Sequence[tuple[CardKey, Load]]) -> list[Mac4 | Mac1Wrong]:
        """Many loads in one call; a wrong MAC1 stands at its place and does not stop the others."""
        ...

    def open_channel(
        self, request: ChannelRequest, initialize_update_response: bytes
    ) -> tuple[Channel, bytes]:
        """Check the card's cryptogram and answer with EXTERNAL AUTHENTICATE.

        ``initialize_update_response`` comes without its status word. Raises MalformedAnswer, ChannelMismatch,
        CardCryptogramWrong.
        """
        ...

    def predict_channel(
        self, request: ChannelRequest, key_diversification_data: bytes, sequence: bytes
    ) -> tuple[Channel, bytes]:
        """The same before the card has answered, for a card whose challenge follows from its counter.

        ``sequence`` is the counter that the answer will show (`ota.card.globalplatform.variant.next_sequence`).
        """
        ...

    def confirm_prediction(self, channel: Channel, initialize_update_response: bytes) -> None:
        """Check the card's real answer against the predicted one.

        Raises PredictionMissed when the card is at another counter, CardCryptogramWrong when it lacks the keys.
        """
        ...

    def wrap(self, channel: Channel, commands: Sequence[Command]) -> tuple[Channel, list[WrappedCommand]]:
        """Protect commands in the order in which they will be sent; the new channel goes on from there."""
        ...

    def unwrap(self, channel: Channel, ticket: str, response: bytes) -> bytes:
        """Check and decipher one answer (data and status word); returns plain data and status word.

        An error status word carries no R-MAC (Amendment D 1.1.2, 6.2.5) and is handed on bare. Raises
        ResponseMacWrong.
        """
        ...

    def export_card_key(self, key: CardKey, under: Channel) -> ExportedKey:
        """A card key enciphered for the channel's security domain: SCP02 session DEK, SCP03 static Key-DEK."""
        ...

    def export_card_keys(self, keys: Sequence[CardKey], under: Channel) -> list[ExportedKey]:
        """Many card keys in one call."""
        ...

    def secure_apdu(self, key: CardKey, random: bytes, command: Command) -> Command:
        """Append the e-purse command MAC (CARD.md 2.6); ``random`` is GET CHALLENGE's 4 bytes."""
        ...

    def write_key(self, key: CardKey, under: CardKey, random: bytes, writing: KeyWriting) -> Command:
        """WRITE KEY with the card key enciphered and MACed under another card key (CARD.md 2.6)."""
        ...

    def external_auth(self, key: CardKey, random: bytes) -> bytes:
        """The 8-byte cryptogram of the purse's EXTERNAL AUTHENTICATE (CARD.md 1.2)."""
        ...

    def kcv(self, key: CardKey) -> bytes:
        """The key's 3-byte check value: the block cipher over zeros, AES over 01-bytes."""
        ...

    def random(self, length: int) -> bytes:
        """Random bytes from the HSM, 1 to 1024."""
        ...

    def health(self) -> Health:
        """Whether the HSM can answer now; never raises."""
        ...

    def capabilities(self) -> Capabilities:
        """What the start-up probe saw work."""
        ...


class KeyAdministration(Protocol):
    """Looking after keys: another port with other credentials than the operations above."""

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        ...

    def change_state(self, ref: KeyRef, state: KeyState) -> None:
        """Move a key on in its life: pre-active, active, verify-only, retired; raises KeyNotUsable backwards."""
        ...


class Signer(Protocol):
    """The platform's own ES256 key, for access tokens and receipts."""

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS over the claims with this ``typ`` and the key's id."""
        ...

    def verify(self, token: str, *, type_: str, audience: str, required: Sequence[str]) -> dict[str, Any]:
        """The claims of a token that this key signed; raises Unauthenticated for any other."""
        ...

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517)."""
        ...
