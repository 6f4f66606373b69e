"""Known answers for what only a derived card key can do in a token; the other ones are those of every backend.

Computed with the openssl command, which shares no line with this project, from masters, factors and static keys that
stand in the project's vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ota.card.apdu import Command
from ota.card.globalplatform.variant import SCP02, SCP03, ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.channel import ChannelRequest, ExportedKey
from ota.hsm_adapter.keys import CardKey, Diversification, KeyRef, KeySetRef
from ota.hsm_adapter.ports import KeyWriting
from ota.hsm_adapter.software.probe import probe_keys
from ota.hsm_adapter.software.published import globalplatform_key

if TYPE_CHECKING:
    from ota.hsm_adapter.ports import Hsm

_OWNER: Final = "probe"
_GP: Final = "probe-gp"
_PATH: Final = (bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906"))
_DOMAIN: Final = bytes.fromhex("A000000151000000")
_HOST_CHALLENGE: Final = bytes(8)
_DIVERSIFICATION_DATA: Final = bytes(range(10))

_SECURED: Final = {Algorithm.TDES: "243FD34C", Algorithm.SM4: "6995A8CD"}
_WRITTEN: Final = {
    Algorithm.TDES: "84D439001CC912DFA54EE2E363BED017EB58C2A099AF0D5755EA26B63FFB54DBB1",
    Algorithm.SM4: "84D4390024190CDAEE205DA2758B76ACC7DB8C71B44C15AEF4E6B5DEC1C3EE2D32FAFDDB3290BFC76D",
}
_HEADERS: Final = {Algorithm.TDES: "01003300", Algorithm.SM4: "41010400"}
_KCVS: Final = {Algorithm.TDES: "2BDE22", Algorithm.SM4: "7A04E7"}
_AES_KCVS: Final = {Algorithm.AES128: "C35280", Algorithm.AES192: "42D79D", Algorithm.AES256: "17B3E9"}


@dataclass(frozen=True, slots=True)
class Domain:
    """A security domain to export to, and the card keys enciphered for it."""

    keys: KeySetRef
    scp: ScpVariant
    sequence: bytes
    exported: dict[Algorithm, str]


DOMAINS: Final = (
    Domain(
        KeySetRef(_GP, 1, Algorithm.TDES, Diversification.NONE),
        ScpVariant(SCP02, 0x55),
        bytes(2),
        {
            Algorithm.TDES: "EC52FEFAEFE317305F90877C171BAF73",
            Algorithm.SM4: "757FA77C9CE548D70B1CAE04A273038E",
        },
    ),
    Domain(
        KeySetRef(_GP, 1, Algorithm.AES128, Diversification.KDF3),
        ScpVariant(SCP03, 0x70),
        bytes(3),
        {
            Algorithm.TDES: "F541AB70384BB1E7BEDFF3B689F74576",
            Algorithm.SM4: "7A0688A177B12C4FA58E3D3283FB76B6",
        },
    ),
    Domain(
        KeySetRef(_OWNER, 1, Algorithm.AES192, Diversification.NONE),
        ScpVariant(SCP03, 0x70),
        bytes(3),
        {
            Algorithm.TDES: "3A72281BA2A3D503F8D0432565C13025",
            Algorithm.SM4: "2E5AF7EA4D9D280AE97788BC2581EE08",
        },
    ),
    Domain(
        KeySetRef(_OWNER, 1, Algorithm.AES256, Diversification.NONE),
        ScpVariant(SCP03, 0x70),
        bytes(3),
        {
            Algorithm.TDES: "E7C5351039DE969E3218B5EFF90F04F6",
            Algorithm.SM4: "D2109E81E24921606DD8A6F23810A649",
        },
    ),
)


def published_keys() -> dict[KeyRef, bytes]:
    """The keys of every backend's probe, and GlobalPlatform's test key for diversified and session keys."""
    globalplatform = {
        KeyRef(role, _GP, 1, algorithm): globalplatform_key(algorithm)
        for role in (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
        for algorithm in (Algorithm.TDES, Algorithm.AES128)
    }
    return {**probe_keys(), **globalplatform}


def wraps(ref: KeyRef) -> bool:
    """Whether the probe needs this key to wrap: the AES sets that are used undiversified."""
    return ref.role is KeyRole.SD_DEK and ref.issuer == _OWNER


def secures(algorithm: Algorithm, hsm: Hsm) -> bool:
    """Whether a command's MAC comes out right."""
    command = Command(0x04, 0xD6, 0x95, 0x00, bytes.fromhex("A1B2"))
    secured = hsm.secure_apdu(_card_key(algorithm), bytes.fromhex("1EA2B2E6"), command)
    return secured.data[2:] == bytes.fromhex(_SECURED[algorithm])


def writes_key(algorithm: Algorithm, hsm: Hsm) -> bool:
    """Whether a WRITE KEY comes out right."""
    key = _card_key(algorithm)
    writing = KeyWriting(0x39, 0x00, bytes.fromhex(_HEADERS[algorithm]))
    command = hsm.write_key(key, key, bytes.fromhex("19393A92"), writing)
    return command.encode() == bytes.fromhex(_WRITTEN[algorithm])


def exports(algorithm: Algorithm, domain: Domain, hsm: Hsm) -> bool:
    """Whether a card key is enciphered for the domain as it should be."""
    request = ChannelRequest(domain.keys, domain.scp, 0x01, _HOST_CHALLENGE, _DOMAIN)
    channel, _ = hsm.predict_channel(request, _DIVERSIFICATION_DATA, domain.sequence)
    expected = ExportedKey(bytes.fromhex(domain.exported[algorithm]), bytes.fromhex(_KCVS[algorithm]))
    return hsm.export_card_key(_card_key(algorithm), channel) == expected


def knows_aes_kcv(algorithm: Algorithm, hsm: Hsm) -> bool:
    """Whether an AES key's check value comes out right."""
    ref = KeyRef(KeyRole.SD_ENC, _OWNER, 1, algorithm)
    return hsm.kcv(CardKey(ref, ())) == bytes.fromhex(_AES_KCVS[algorithm])


def _card_key(algorithm: Algorithm) -> CardKey:
    return CardKey(KeyRef(KeyRole.SPARE, _OWNER, 1, algorithm), _PATH)
