"""INITIALIZE FOR LOAD, CREDIT FOR LOAD and GET TRANSACTION PROVE (CARD.md 1.3, 1.4, 1.6)."""

from __future__ import annotations

from dataclasses import replace

from ota.sandbox.element import purse_crypto
from ota.sandbox.element.apdu import Command, refuse_wrong_le
from ota.sandbox.element.application import Platform
from ota.sandbox.element.crypto import same
from ota.sandbox.element.faults import CREDIT, Instant
from ota.sandbox.element.keyring import LOAD_ROLES, PurseKey, Role
from ota.sandbox.element.options import Prove
from ota.sandbox.element.purse import LOAD, Entry, Pending, Proof, Purse, remembered
from ota.sandbox.element.status import (
    CONDITIONS_NOT_SATISFIED,
    PROOF_NOT_AVAILABLE,
    SECURITY_NOT_SATISFIED,
    TRANSACTION_MAC_WRONG,
    WRONG_LENGTH,
    WRONG_OFFSET,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)

EP = 0x02
"""P2 of the electronic purse; the passbook (01) is not on this card."""


def initialize_for_load(purse: Purse, platform: Platform, command: Command) -> bytes:
    """Answer balance, online counter, key version, algorithm, random and MAC1; nothing durable changes."""
    require(command.p1 == 0 and command.p2 == EP, WRONG_P1P2)
    require(len(command.data) == 11, WRONG_LENGTH)
    refuse_wrong_le(command, 16)
    purse.require_ready()
    options, state = platform.options, purse.state
    require(purse.pin.is_verified or not options.pin_before_load, SECURITY_NOT_SATISFIED)
    key = purse.keys.by_index(LOAD_ROLES, command.data[0])
    amount = int.from_bytes(command.data[1:5], "big")
    purse.require_counter(state.online_counter)
    require(state.balance + amount <= options.balance_ceiling, CONDITIONS_NOT_SATISFIED)
    pending = Pending(LOAD, amount, command.data[5:], key, platform.random(4), state.online_counter)
    purse.pending = pending
    balance = state.balance.to_bytes(4, "big")
    mac1 = purse_crypto.transaction_mac(key.algorithm, _session_key(pending), balance + pending.context)
    identity = bytes((key.version, key.algorithm_id))
    return balance + pending.counter.to_bytes(2, "big") + identity + pending.random + mac1


def credit_for_load(purse: Purse, platform: Platform, command: Command) -> bytes:
    """Check MAC2, then write balance, counter, log and proof as one; answer the TAC."""
    require(command.reference == 0, WRONG_P1P2)
    require(len(command.data) == 11, WRONG_LENGTH)
    refuse_wrong_le(command, 4)
    pending = needed(purse.pending, CONDITIONS_NOT_SATISFIED)
    require(pending.kind == LOAD, CONDITIONS_NOT_SATISFIED)
    purse.pending = None  # whatever comes out, the next load starts from its initialisation
    at, mac2 = command.data[:7], command.data[7:]
    algorithm = pending.key.algorithm
    expected = purse_crypto.transaction_mac(algorithm, _session_key(pending), pending.context + at)
    require(same(expected, mac2), TRANSACTION_MAC_WRONG)

    balance = purse.state.balance + pending.amount
    counted = pending.counter.to_bytes(2, "big")
    tac = transaction_tac(
        purse, platform, pending.key, balance.to_bytes(4, "big") + counted + pending.context + at
    )
    after = replace(
        purse.state,
        balance=balance,
        online_counter=pending.counter + 1,
        log=remembered(purse.state, log_entry(platform, pending, at)),
        proof=Proof(LOAD, pending.counter, bytes(4), tac),
    )
    platform.faults.passes(CREDIT, Instant.BEFORE_WRITE)
    purse.state = after
    platform.faults.passes(CREDIT, Instant.AFTER_WRITE)
    return tac


def get_transaction_prove(purse: Purse, platform: Platform, command: Command) -> bytes:
    """Answer MAC and TAC of the last transaction of this type and counter; 9406 for another, 6985 for none."""
    prove = platform.options.prove
    require(prove is not Prove.NOT_SUPPORTED, WRONG_OFFSET)
    require(command.p1 == 0, WRONG_P1P2)
    require(len(command.data) == 2, WRONG_LENGTH)
    refuse_wrong_le(command, 8)
    proof = needed(purse.state.proof, CONDITIONS_NOT_SATISFIED)
    if (proof.kind, proof.counter) != (command.p2, int.from_bytes(command.data, "big")):
        raise CardError(PROOF_NOT_AVAILABLE)
    if prove is Prove.ONCE:
        purse.spend_proof()
    return proof.mac + proof.tac


def transaction_tac(purse: Purse, platform: Platform, key: PurseKey, data: bytes) -> bytes:
    """MAC over a finished transaction under the TAC key of the same algorithm."""
    value = purse.keys.by_role(Role.TAC, key.algorithm).value
    value = purse_crypto.tac_key(key.algorithm, value, sm4_xor=platform.options.sm4_tac_xor)
    return purse_crypto.transaction_mac(key.algorithm, value, data)


def log_entry(platform: Platform, pending: Pending, at: bytes) -> Entry:
    """The log line of a transaction; cards differ in whether they note the counter before or after its step."""
    counter = pending.counter + platform.options.log_incremented_counter
    return Entry(counter, pending.kind, pending.amount, pending.terminal, at)


def _session_key(pending: Pending) -> bytes:
    seed = pending.random + pending.counter.to_bytes(2, "big") + b"\x80\x00"
    return purse_crypto.session_key(pending.key.algorithm, pending.key.value, seed)
