"""The names of a card's keys and their algorithms; the keys themselves never leave the HSM adapter."""

from enum import StrEnum
from types import MappingProxyType


class Algorithm(StrEnum):
    """A block cipher with the length of its key."""

    TDES = "3DES"
    SM4 = "SM4"
    AES128 = "AES-128"
    AES192 = "AES-192"
    AES256 = "AES-256"

    @property
    def key_length(self) -> int:
        """Length of a key in bytes; 3DES is two-key EDE everywhere on these cards (CARD.md 2.2)."""
        return _KEY_LENGTH[self]

    @property
    def block_length(self) -> int:
        """Length of a cipher block in bytes."""
        return 8 if self is Algorithm.TDES else 16


_KEY_LENGTH = MappingProxyType(
    {
        Algorithm.TDES: 16,
        Algorithm.SM4: 16,
        Algorithm.AES128: 16,
        Algorithm.AES192: 24,
        Algorithm.AES256: 32,
    }
)


class KeyRole(StrEnum):
    """What a key is for: the roles of a T-Union key set (CARD.md 3.7) and of a security domain (GP 2.3.1).

    A transport key is on no card: it protects other keys on their way from one HSM to another (HSM.md).
    """

    CARD_CONTROL = "card_control"
    CARD_MAINTENANCE = "card_maintenance"
    APP_CONTROL = "app_control"
    APP_MAINTENANCE = "app_maintenance"
    PURCHASE = "purchase"
    LOAD = "load"
    TAC = "tac"
    APP_BLOCK = "app_block"
    PIN = "pin"
    ECASH_RECORD = "ecash_record"
    PURSE_RECORD = "purse_record"
    SPARE = "spare"
    APP_UNBLOCK = "app_unblock"
    RESERVED_1 = "reserved_1"
    RESERVED_2 = "reserved_2"
    LOAD_2 = "load_2"
    SD_ENC = "sd_enc"
    SD_MAC = "sd_mac"
    SD_DEK = "sd_dek"
    TRANSPORT = "transport"
