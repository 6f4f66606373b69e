"""INITIALIZE FOR PURCHASE, the compound (CAPP) purchase and DEBIT FOR PURCHASE (CARD.md 1.5, 2.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ota.sandbox.element import purse_crypto
from ota.sandbox.element.apdu import Command, refuse_wrong_le
from ota.sandbox.element.application import Platform
from ota.sandbox.element.crypto import same
from ota.sandbox.element.faults import DEBIT, Instant
from ota.sandbox.element.files import RecordFile
from ota.sandbox.element.keyring import PURCHASE_ROLES
from ota.sandbox.element.load import EP, log_entry, transaction_tac
from ota.sandbox.element.purse import COMPOUND_PURCHASE, PURCHASE, Pending, Proof, Purse, remembered
from ota.sandbox.element.status import (
    CONDITIONS_NOT_SATISFIED,
    INSUFFICIENT_FUNDS,
    TRANSACTION_MAC_WRONG,
    WRONG_LENGTH,
    WRONG_P1P2,
    needed,
    require,
)

KINDS = {0x01: PURCHASE, 0x03: COMPOUND_PURCHASE}
"""Transaction type by P1 of the initialisation."""


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """A record that is written together with the debit of a compound purchase."""

    file: RecordFile
    number: int
    data: bytes


def initialize_for_purchase(purse: Purse, platform: Platform, command: Command) -> bytes:
    """Answer balance, offline counter, overdraft limit, key version, algorithm and random."""
    require(command.p1 in KINDS and command.p2 == EP, WRONG_P1P2)
    require(len(command.data) == 11, WRONG_LENGTH)
    refuse_wrong_le(command, 15)
    purse.require_ready()
    key = purse.keys.by_index(PURCHASE_ROLES, command.data[0])
    amount, state = int.from_bytes(command.data[1:5], "big"), purse.state
    purse.require_counter(state.offline_counter)
    require(amount <= state.balance, INSUFFICIENT_FUNDS)
    random = platform.random(4)
    purse.pending = Pending(KINDS[command.p1], amount, command.data[5:], key, random, state.offline_counter)
    counters = state.balance.to_bytes(4, "big") + state.offline_counter.to_bytes(2, "big")
    return counters + bytes(3) + bytes((key.version, key.algorithm_id)) + random


def debit_for_purchase(
    purse: Purse, platform: Platform, command: Command, cache: list[CachedRecord]
) -> bytes:
    """Check MAC1, then write balance, counter, log, proof and cached records as one; answer TAC and MAC2."""
    require(command.reference == 0x0100, WRONG_P1P2)
    require(len(command.data) == 15, WRONG_LENGTH)
    refuse_wrong_le(command, 8)
    pending = needed(purse.pending, CONDITIONS_NOT_SATISFIED)
    require(pending.kind in KINDS.values(), CONDITIONS_NOT_SATISFIED)
    purse.pending = None
    terminal_number, at, mac1 = command.data[:4], command.data[4:11], command.data[11:]
    algorithm, session_key = pending.key.algorithm, _session_key(pending, terminal_number)
    expected = purse_crypto.transaction_mac(algorithm, session_key, pending.context + at)
    require(same(expected, mac1), TRANSACTION_MAC_WRONG)

    tac = transaction_tac(purse, platform, pending.key, pending.context + terminal_number + at)
    mac2 = purse_crypto.transaction_mac(algorithm, session_key, pending.amount.to_bytes(4, "big"))
    after = replace(
        purse.state,
        balance=purse.state.balance - pending.amount,
        offline_counter=pending.counter + 1,
        log=remembered(purse.state, log_entry(platform, pending, at)),
        proof=Proof(pending.kind, pending.counter, mac2, tac),
    )
    platform.faults.passes(DEBIT, Instant.BEFORE_WRITE)
    purse.state = after
    for record in cache:
        record.file.write(record.number, record.data)
    platform.faults.passes(DEBIT, Instant.AFTER_WRITE)
    return tac + mac2


def _session_key(pending: Pending, terminal_number: bytes) -> bytes:
    seed = pending.random + pending.counter.to_bytes(2, "big") + terminal_number[2:]
    return purse_crypto.session_key(pending.key.algorithm, pending.key.value, seed)
