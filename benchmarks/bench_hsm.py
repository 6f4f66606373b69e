"""What the software HSM makes of the machine: load authorisations, card keys and wrapped commands.

The baseline of a load is raw OpenSSL through cryptography: the same cipher contexts and the same blocks, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.measure import Case, Comparison, compare
from ota.card.apdu import Command
from ota.card.globalplatform.variant import ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardTime, Fen, Mac4
from ota.hsm_adapter.channel import Channel, ChannelRequest
from ota.hsm_adapter.keys import CardKey, Diversification, KeyRef, KeySetRef
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.diversify import child_key, child_keys
from ota.hsm_adapter.software.memory import PublishedKeys

BATCH = 1000
COMMANDS = 20  # what an issuance sends in its longest exchange
PATH = (bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906"))
MASTER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
MAC1 = {Algorithm.TDES: "3EF66078", Algorithm.SM4: "D48E1CCF"}
DOMAIN = bytes.fromhex("D156000158534400")


def bench(seconds: float) -> Iterator[Comparison]:
    """Loads, keys and channels, each beside its baseline."""
    hsm = _hsm()
    yield compare(
        "Authorising a load: MAC1 checked, MAC2 made, from a city key in memory",
        Case("raw OpenSSL DES, two contexts", _raw_des()),
        Case("3DES", _authorise(hsm, Algorithm.TDES)),
        Case("SM4", _authorise(hsm, Algorithm.SM4)),
        Case(f"3DES, {BATCH} in a call", _authorise_many(hsm), BATCH),
        seconds=seconds,
    )
    city, factors = _context(MASTER), [number.to_bytes(8, "big") for number in range(BATCH)]
    yield compare(
        "Card keys of a batch, below one city key",
        Case("raw OpenSSL DES, one context", _raw_batch(city), BATCH),
        Case(f"{BATCH} card keys in a call", lambda: child_keys(city, factors), BATCH),
        Case("one card key in a call", lambda: child_key(city, factors[0])),
        seconds=seconds,
    )
    yield compare(
        "A card key: derived and named by its check value",
        Case("one 3DES context", lambda: _context(MASTER).update(bytes(16))),
        Case("3DES card key, its KCV", lambda: hsm.kcv(_key(Algorithm.TDES))),
        Case("SM4 card key, its KCV", lambda: hsm.kcv(_key(Algorithm.SM4))),
        seconds=seconds,
    )
    yield compare(
        f"A batch of {COMMANDS} commands of 128 bytes over a channel, keys derived anew",
        Case("AES-GCM over the same bytes", _raw_aes()),
        *(Case(name, _wrap(hsm, channel)) for name, channel in _channels(hsm)),
        seconds=seconds,
    )


def _raw_des() -> Callable[[], object]:
    """Derive the card key, one context for it, the session key, one context for both MACs."""
    city = _context(MASTER)
    factor, seed, blocks = bytes(16), bytes(8), bytes(40)

    def run() -> bytes:
        card = city.update(factor)
        session = _context(card).update(seed)
        return Cipher(TripleDES(session * 3), modes.CBC(bytes(8))).encryptor().update(blocks)

    return run


def _raw_batch(city: CipherContext) -> Callable[[], object]:
    blocks = bytes(16 * BATCH)
    return lambda: city.update(blocks)


def _raw_aes() -> Callable[[], object]:
    cipher, nonce, data = AESGCM(bytes(32)), bytes(12), bytes(128)
    return lambda: [cipher.encrypt(nonce, data, None) for _ in range(COMMANDS)]


def _authorise(hsm: SoftwareHsm, algorithm: Algorithm) -> Callable[[], object]:
    key, load = _key(algorithm), _load(algorithm)
    return lambda: hsm.authorise_load(key, load)


def _authorise_many(hsm: SoftwareHsm) -> Callable[[], object]:
    requests = [(_key(Algorithm.TDES), _load(Algorithm.TDES))] * BATCH
    return lambda: hsm.authorise_loads(requests)


def _load(algorithm: Algorithm) -> Load:
    answer = LoadAnswer(1000, 7, 1, 0, bytes.fromhex("A1B2C3D4"), Mac4(bytes.fromhex(MAC1[algorithm])))
    return Load(Fen(5000), bytes.fromhex("581000000001"), answer, CardTime("20260101120000"))


def _wrap(hsm: SoftwareHsm, channel: Channel) -> Callable[[], object]:
    commands = [Command(0x80, 0xE2, 0x08, number, bytes(128)) for number in range(COMMANDS)]
    return lambda: hsm.wrap(channel, commands)


def _channels(hsm: SoftwareHsm) -> Iterator[tuple[str, Channel]]:
    for name, algorithm, scp, level in (
        ("SCP02, C-MAC and C-ENC", Algorithm.TDES, ScpVariant(2, 0x55), 0x03),
        ("SCP03 AES-128, everything", Algorithm.AES128, ScpVariant(3, 0x70), 0x33),
        ("SCP03 AES-256, everything", Algorithm.AES256, ScpVariant(3, 0x70), 0x33),
    ):
        request = ChannelRequest(_key_set(algorithm), scp, level, bytes(8), DOMAIN)
        channel, _ = hsm.predict_channel(request, bytes(10), bytes(2 if scp.protocol == 2 else 3))
        yield name, replace(channel, counter=0)


def _hsm() -> SoftwareHsm:
    keys = {_key(algorithm).ref: MASTER for algorithm in MAC1}
    for algorithm in (Algorithm.TDES, Algorithm.AES128, Algorithm.AES256):
        for role in (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK):
            keys[_key_set(algorithm).key(role)] = (MASTER * 2)[: algorithm.key_length]
    return SoftwareHsm(PublishedKeys(keys))


def _key(algorithm: Algorithm) -> CardKey:
    return CardKey(KeyRef(KeyRole.LOAD, "province", 1, algorithm), PATH)


def _key_set(algorithm: Algorithm) -> KeySetRef:
    scheme = Diversification.VISA2 if algorithm is Algorithm.TDES else Diversification.KDF3
    return KeySetRef("platform", 1, algorithm, scheme)


def _context(key: bytes) -> CipherContext:
    return Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor()  # noqa: S305  what the card speaks


if __name__ == "__main__":
    import sys

    from benchmarks.__main__ import main

    sys.exit(main(["hsm", *sys.argv[1:]]))
