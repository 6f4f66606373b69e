"""What SCP02 and SCP03 share: padding, the modified header, lengths, the form of a protected command."""

from __future__ import annotations

from typing import Final

from ota.card.apdu import MAX_DATA, Command
from ota.card.globalplatform.variant import C_DECRYPTION, SCP02, ScpVariant
from ota.core.errors import InvalidValue

MAC_LENGTH: Final = 8
"""Bytes of a C-MAC or R-MAC on the wire, in SCP02 and in SCP03's 8-byte mode."""

_SECURE_MESSAGING: Final = 0x04
_CHANNEL_BITS: Final = 0x03
_FURTHER_CLASS: Final = 0x40


def block_length(variant: ScpVariant) -> int:
    """Bytes of a cipher block: 8 with SCP02's 3DES, 16 with SCP03's AES."""
    return 8 if variant.protocol == SCP02 else 16


def pad(data: bytes, block: int) -> bytes:
    """Append 80 and zeros up to whole blocks, always at least one byte (GP 2.3.1 B.1.3; Amendment D 4.1.4)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad(data: bytes, block: int) -> bytes | None:
    """The data before its 80 00.. padding, or None when it is not padded so."""
    stripped = data.rstrip(b"\x00")
    if not stripped.endswith(b"\x80") or len(data) - len(stripped) >= block:
        return None
    return stripped[:-1]


def mac_header(command: Command, data_length: int) -> bytes:
    """The modified header under a C-MAC: secure class, INS, P1, P2, Lc with the MAC counted in.

    The logical channel number is taken as zero, whatever channel the phone sends the command on (GP 2.3.1 E.4.4).
    """
    cla = _secure_class(command) & ~_CHANNEL_BITS
    return bytes((cla, command.ins, command.p1, command.p2, data_length + MAC_LENGTH))


def is_enciphered(level: int, command: Command) -> bool:
    """Whether the command's data is enciphered: only at such a level, only when there is any (E.4.6; D 6.2.6)."""
    return bool(level & C_DECRYPTION and command.data)


def max_data(variant: ScpVariant, level: int) -> int:
    """The most plain data bytes that fit one protected short command at this level."""
    room = MAX_DATA - MAC_LENGTH
    block = block_length(variant)
    return room // block * block - 1 if level & C_DECRYPTION else room


def check_length(variant: ScpVariant, level: int, command: Command) -> None:
    """Raise InvalidValue when the protected command would not fit a short APDU."""
    if len(command.data) > max_data(variant, level):
        raise InvalidValue("data", f"at most {max_data(variant, level)} bytes over this channel")


def protected(command: Command, data: bytes, mac: bytes) -> Command:
    """The command on the wire: secure class, data (enciphered or plain), the MAC behind it, Le as it was."""
    return Command(_secure_class(command), command.ins, command.p1, command.p2, data + mac, command.le)


def external_authenticate(level: int, host_cryptogram: bytes) -> Command:
    """EXTERNAL AUTHENTICATE before its C-MAC is appended (GP 2.3.1 E.5.2; Amendment D 7.1.2)."""
    return Command(0x84, 0x82, level, 0x00, host_cryptogram)


def _secure_class(command: Command) -> int:
    if command.cla & _FURTHER_CLASS:
        raise InvalidValue("cla", "a class byte of the basic logical channels 0 to 3")
    return command.cla | _SECURE_MESSAGING
