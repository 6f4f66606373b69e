"""The virtual secure element. It imports nothing of `ota` outside this folder: a mistake must not cancel itself out."""

from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import CREDIT, DEBIT, Faults, Instant, PowerCut, TornCard
from ota.sandbox.element.keys import DomainProfile, KeySet
from ota.sandbox.element.options import Options, Prove
from ota.sandbox.element.purse_crypto import Algorithm

__all__ = [
    "CREDIT",
    "DEBIT",
    "Algorithm",
    "DomainProfile",
    "Element",
    "Faults",
    "Instant",
    "KeySet",
    "Options",
    "PowerCut",
    "Prove",
    "TornCard",
]
