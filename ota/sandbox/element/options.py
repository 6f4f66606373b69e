"""What kind of card this is: the choices that real cards differ in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ota.sandbox.element.purse_crypto import Algorithm

_OPTION_BYTES = {"02": (0x15, 0x55), "03": (0x00, 0x10, 0x60, 0x70)}


class Prove(StrEnum):
    """How the card answers GET TRANSACTION PROVE (CARD.md 1.6)."""

    ONCE = "once"
    REPEATEDLY = "repeatedly"
    NOT_SUPPORTED = "not_supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A card's make.

    `i` is the protocol's option byte; `sequence` the counter that GET DATA tells at first; `memory` the bytes free for
    applications, None for plenty; `balance_ceiling` in fen; `fixed_random` the one random number of a bad card.
    """

    scp: str = "03"
    i: int = 0x70
    sequence: int = 0
    failed_authentications: int = 5
    memory: int | None = None
    seed: str | None = None
    fixed_random: bytes | None = None
    response_by_61xx: bool = False
    ppse_restricts: bool = False
    purse_algorithm: Algorithm = Algorithm.TDES
    algorithm_id: int | None = None
    sm4_tac_xor: bool = False
    prove: Prove = Prove.ONCE
    log_incremented_counter: bool = True
    balance_ceiling: int = 100_000
    pin: bytes = field(default=b"\x12\x34\x56", repr=False)
    pin_before_load: bool = False

    def __post_init__(self) -> None:
        if self.i not in _OPTION_BYTES.get(self.scp, ()):
            known = ", ".join(f"SCP{scp} i={i:02X}" for scp, bytes_ in _OPTION_BYTES.items() for i in bytes_)
            raise ValueError(f"no card speaks SCP{self.scp} i={self.i:02X}; expected one of {known}")
