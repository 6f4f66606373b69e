"""The status words this card answers with (CARD.md 1.9; ISO/IEC 7816-4 5.6; GP Card Spec 2.3.1 11.1.3)."""

from __future__ import annotations

from typing import Final, TypeVar

T = TypeVar("T")

OK: Final = 0x9000
MORE_STATUS_DATA: Final = 0x6310
AUTHENTICATION_FAILED: Final = 0x6300
TRIES_LEFT: Final = 0x63C0
SELECTED_LOCKED: Final = 0x6283
WRONG_LENGTH: Final = 0x6700
NO_LOGICAL_CHANNEL: Final = 0x6881
NO_SECURE_MESSAGING: Final = 0x6882
NOT_ACCEPTED: Final = 0x6901
WRONG_FILE_TYPE: Final = 0x6981
SECURITY_NOT_SATISFIED: Final = 0x6982
AUTHENTICATION_BLOCKED: Final = 0x6983
RANDOM_INVALID: Final = 0x6984
CONDITIONS_NOT_SATISFIED: Final = 0x6985
NO_CURRENT_FILE: Final = 0x6986
MAC_MISSING: Final = 0x6987
MAC_WRONG: Final = 0x6988
WRONG_DATA: Final = 0x6A80
LOCKED: Final = 0x6A81
FILE_NOT_FOUND: Final = 0x6A82
RECORD_NOT_FOUND: Final = 0x6A83
NO_SPACE: Final = 0x6A84
WRONG_P1P2: Final = 0x6A86
REFERENCE_NOT_FOUND: Final = 0x6A88
WRONG_OFFSET: Final = 0x6B00
WRONG_LE: Final = 0x6C00
WRONG_INS: Final = 0x6D00
WRONG_CLA: Final = 0x6E00
TRANSACTION_MAC_WRONG: Final = 0x9302
LOCKED_FOR_GOOD: Final = 0x9303
INSUFFICIENT_FUNDS: Final = 0x9401
COUNTER_AT_MAXIMUM: Final = 0x9402
KEY_INDEX_NOT_SUPPORTED: Final = 0x9403
PROOF_NOT_AVAILABLE: Final = 0x9406
WRONG_KEY_CHECK_VALUE: Final = 0x9485


class CardError(Exception):
    """The card refuses a command: a status word, and for a locked application the data sent along with it."""

    def __init__(self, sw: int, data: bytes = b"") -> None:
        super().__init__(f"card answers {sw:04X}")
        self.sw = sw
        self.data = data


def require(claim: object, sw: int) -> None:
    """Refuse the command with `sw` unless the claim holds."""
    if not claim:
        raise CardError(sw)


def needed(value: T | None, sw: int) -> T:
    """Hand the value through, or refuse the command with `sw` when there is none."""
    if value is None:
        raise CardError(sw)
    return value
