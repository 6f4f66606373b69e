"""The start-up probe's secure channels: recorded sessions of two protocols and three key lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ota.card.apdu import Command
from ota.card.globalplatform.variant import SCP02, SCP03, ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.channel import Channel, ChannelRequest, ExportedKey
from ota.hsm_adapter.keys import Diversification, KeyRef, KeySetRef

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.ports import Hsm

_OWNER: Final = "probe"
_DOMAIN: Final = bytes.fromhex("A0000005591010FFFFFFFF8900000100")


@dataclass(frozen=True, slots=True)
class _Session:
    """One recorded session: how it was opened, its first command, an answer, the spare key enciphered under it."""

    scp: ScpVariant
    key_version: int
    level: int
    host_challenge: str
    answer: str
    external_authenticate: str
    plain: str
    wrapped: str
    response: str
    unwrapped: str
    exported: str


_SESSIONS: Final = {
    Algorithm.TDES: _Session(
        scp=ScpVariant(SCP02, 0x15),
        key_version=0x70,
        level=0x01,
        host_challenge="40A62C37FA6304F8",
        answer="00000000000000000000700200016B4524ABEE7CF32EA3838BC148F3",
        external_authenticate="8482010010BA6961667737C5BCEBECE14C7D6A4376",
        plain="80F22002",
        wrapped="84F220020814DB34FA4341DCA8",
        response="9000",
        unwrapped="9000",
        exported="D5410A628E1CA552B94DAC1D19199B17",
    ),
    Algorithm.AES128: _Session(
        scp=ScpVariant(SCP03, 0x70),
        key_version=0x30,
        level=0x33,
        host_challenge="FDF38259A1E0DE44",
        answer="000000000000000000003003703B1ACA81E821F219081CDC01C26B372D000003",
        external_authenticate="84823300108C36F96BCC00724A4E13AD591D7DA3F0",
        plain="80E2910006BF3E035C015A00",
        wrapped="84E2910018267A85DFE4A98FCA6FB0527E0DFECCE4914E40401433C87F00",
        response="F3BA2B1013AA6224F5E1C138D71805C569E5439B47576260B75FC021B25097CB2E68F8A0144975B99000",
        unwrapped="BF3E125A10898821199000000000000000000000059000",
        exported="212812D92D52BD26CF6BE1D7FABE8D95",
    ),
    Algorithm.AES192: _Session(
        scp=ScpVariant(SCP03, 0x70),
        key_version=0x31,
        level=0x11,
        host_challenge="7396430B768B085B",
        answer="000000000000000000003103708CFC23522FFDBF1E5DF5542CAC8FD866000003",
        external_authenticate="84821100102145ED30B146F5DB252FB7E624CEC244",
        plain="80E2910006BF3E035C015A00",
        wrapped="84E291000EBF3E035C015AFF42CF801D14394400",
        response="BF3E125A1089882119900000000000000000000005162FBD33E04940A99000",
        unwrapped="BF3E125A10898821199000000000000000000000059000",
        exported="4237F67E9FA86AD043C4449B26F0C50F",
    ),
    Algorithm.AES256: _Session(
        scp=ScpVariant(SCP03, 0x70),
        key_version=0x32,
        level=0x33,
        host_challenge="97B2055FE58599FD",
        answer="00000000000000000000320370A8439A22CEDF045FA9F1903B2834F26E000002",
        external_authenticate="8482330010508A0FD959D2E547C6B33154A6BE2057",
        plain="80E2910006BF3E035C015A00",
        wrapped="84E29100187A5EF717EAF1E135AE92FE54429D0E465DECDA65F5FE5AEA00",
        response="EA90DBFA648A67C5EB6ABC57F8530B97D0CD5647C5E8732016B55203B078DD2ACE7F8BC5D1C1CD999000",
        unwrapped="BF3E125A10898821199000000000000000000000059000",
        exported="5570646BE62729A04691FBC0A340FF51",
    ),
}

ALGORITHMS: Final = tuple(_SESSIONS)

_SCP02_KEYS: Final = {
    KeyRole.SD_ENC: bytes.fromhex("100102030405060708090A0B0C0D0E0F"),
    KeyRole.SD_MAC: bytes.fromhex("101102030405060708090A0B0C0D0E0F"),
    KeyRole.SD_DEK: bytes.fromhex("102102030405060708090A0B0C0D0E0F"),
}
_FIRST_BYTE: Final = {KeyRole.SD_ENC: 0x00, KeyRole.SD_MAC: 0x10, KeyRole.SD_DEK: 0x20}


def keys() -> dict[KeyRef, bytes]:
    """The keys of the recorded sessions."""
    found = {_key_set(Algorithm.TDES).key(role): value for role, value in _SCP02_KEYS.items()}
    for algorithm in ALGORITHMS[1:]:
        for role, first in _FIRST_BYTE.items():
            value = bytes(range(first, first + 16)) * 2
            found[_key_set(algorithm).key(role)] = value[: algorithm.key_length]
    return found


def opens(algorithm: Algorithm, hsm: Hsm) -> bool:
    """Whether a recorded session is opened, its command wrapped and its answer unwrapped as it was."""
    session = _SESSIONS[algorithm]
    channel, command = _open(algorithm, hsm)
    channel, wrapped = hsm.wrap(channel, [Command.parse(bytes.fromhex(session.plain))])
    plain = hsm.unwrap(channel, wrapped[0].ticket, bytes.fromhex(session.response))
    return (command, wrapped[0].apdu, plain) == (
        bytes.fromhex(session.external_authenticate),
        bytes.fromhex(session.wrapped),
        bytes.fromhex(session.unwrapped),
    )


def exports(key: CardKey, hsm: Hsm) -> bool:
    """Whether a card key comes out of every recorded session as it should."""
    kcv = hsm.kcv(key)
    return all(
        hsm.export_card_key(key, _open(algorithm, hsm)[0])
        == ExportedKey(bytes.fromhex(session.exported), kcv)
        for algorithm, session in _SESSIONS.items()
    )


def _open(algorithm: Algorithm, hsm: Hsm) -> tuple[Channel, bytes]:
    session = _SESSIONS[algorithm]
    request = ChannelRequest(
        keys=_key_set(algorithm),
        scp=session.scp,
        level=session.level,
        host_challenge=bytes.fromhex(session.host_challenge),
        security_domain=_DOMAIN,
        key_version=session.key_version,
    )
    return hsm.open_channel(request, bytes.fromhex(session.answer))


def _key_set(algorithm: Algorithm) -> KeySetRef:
    return KeySetRef(_OWNER, 1, algorithm, Diversification.NONE)
