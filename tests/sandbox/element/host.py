"""A tiny GlobalPlatform host of the tests' own: opens a channel to a security domain and sends commands through it."""

from __future__ import annotations

from dataclasses import dataclass

from ota.sandbox.element import DomainProfile, Element
from ota.sandbox.element import crypto as c

HOST_CHALLENGE = bytes.fromhex("0102030405060708")


def split(response: bytes) -> tuple[bytes, str]:
    """Data and status word."""
    return response[:-2], response[-2:].hex().upper()


def say(element: Element, apdu: str) -> tuple[bytes, str]:
    """Send a command written in hex, spaces allowed."""
    return split(element.transmit(bytes.fromhex(apdu)))


def sw(element: Element, apdu: str) -> str:
    """Send a command and look at the status word only."""
    return say(element, apdu)[1]


def wide(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    """SCP03 key derivation."""
    blocks = b"".join(
        c.cmac(key, bytes(11) + bytes((constant, 0)) + bits.to_bytes(2, "big") + bytes((i,)) + context)
        for i in (1, 2)
    )
    return blocks[: bits // 8]


@dataclass
class Channel:
    """An open session, as the host keeps it."""

    element: Element
    domain: DomainProfile
    level: int
    last_mac: bytes = bytes(8)
    commands: int = 0
    enc: bytes = b""
    mac: bytes = b""
    rmac: bytes = b""
    dek: bytes = b""

    @property
    def is_scp02(self) -> bool:
        return self.element.options.scp == "02"

    def send(self, plain: str) -> tuple[bytes, str]:
        """Wrap, send and unwrap; the answer must be protected as the level says."""
        return self.unwrap(self.element.transmit(self.wrap(bytes.fromhex(plain))))

    def wrap(self, plain: bytes) -> bytes:
        if not self.level:
            return plain
        header = bytes((plain[0] | 4, *plain[1:4]))
        data, le = (plain[5 : 5 + plain[4]], plain[5 + plain[4] :]) if len(plain) > 5 else (b"", plain[4:])
        return self._wrap02(header, data, le) if self.is_scp02 else self._wrap03(header, data, le)

    def unwrap(self, response: bytes) -> tuple[bytes, str]:
        data, status = split(response)
        if not self.level & 0x10 or status[:2] not in ("90", "62", "63"):
            return data, status
        data, mac = data[:-8], data[-8:]
        assert c.cmac(self.rmac, self.last_mac + data + bytes.fromhex(status))[:8] == mac
        if self.level & 0x20 and data:
            iv = c.encrypt(c.aes(self.enc), b"\x80" + self.commands.to_bytes(15, "big"))
            data = c.unpad(c.decrypt(c.aes(self.enc), data, iv)) or b""
        return data, status

    def encipher(self, key: bytes) -> bytes:
        """A 16-byte key as it travels."""
        if self.is_scp02:
            return c.encrypt(c.des(self.dek), key)
        return c.encrypt(c.aes(self.dek), key, bytes(16))

    def _wrap02(self, header: bytes, data: bytes, le: bytes) -> bytes:
        icv = c.encrypt(c.des(self.mac[:8]), self.last_mac)
        self.last_mac = c.retail_mac(self.mac, header + bytes((len(data) + 8,)) + data, icv)
        if self.level & 2 and data:
            data = c.encrypt(c.des(self.enc), c.pad(data, 8), bytes(8))
        return header + bytes((len(data) + 8,)) + data + self.last_mac + le

    def _wrap03(self, header: bytes, data: bytes, le: bytes) -> bytes:
        self.commands += 1
        if self.level & 2 and data:
            iv = c.encrypt(c.aes(self.enc), self.commands.to_bytes(16, "big"))
            data = c.encrypt(c.aes(self.enc), c.pad(data, 16), iv)
        body = header + bytes((len(data) + 8,)) + data
        self.last_mac = c.cmac(self.mac, self.last_mac + body)
        return body + self.last_mac[:8] + le


def initialize(element: Element, domain: DomainProfile) -> bytes:
    """SELECT the domain and INITIALIZE UPDATE; the answer."""
    assert sw(element, f"00A40400{len(domain.aid):02X}{domain.aid.hex()}00") == "9000"
    answer, status = split(element.transmit(b"\x80\x50\x00\x00\x08" + HOST_CHALLENGE + b"\x00"))
    assert status == "9000"
    return answer


def derive(element: Element, domain: DomainProfile, level: int, answer: bytes) -> tuple[Channel, bytes]:
    """Check the card's cryptogram, make the session, give EXTERNAL AUTHENTICATE."""
    channel = Channel(element, domain, level)
    keys, rest = domain.keys, answer[12:]
    if channel.is_scp02:
        card, seen = rest[:8], rest[8:]

        def session(key: bytes, constant: str) -> bytes:
            return c.encrypt(c.des(key), bytes.fromhex(constant) + card[:2] + bytes(12), bytes(8))

        channel.enc, channel.mac = session(keys.enc, "0182"), session(keys.mac, "0101")
        channel.dek = session(keys.dek, "0181")
        assert c.cbc_mac(c.des(channel.enc), HOST_CHALLENGE + card, 8) == seen
        cryptogram = c.cbc_mac(c.des(channel.enc), card + HOST_CHALLENGE, 8)
        head = bytes((0x84, 0x82, level, 0, 16)) + cryptogram
        channel.last_mac = c.retail_mac(channel.mac, head)
    else:
        context, bits = HOST_CHALLENGE + rest[1:9], 8 * len(keys.enc)
        channel.enc, channel.mac = wide(keys.enc, 4, bits, context), wide(keys.mac, 6, bits, context)
        channel.rmac, channel.dek = wide(keys.mac, 7, bits, context), keys.dek
        assert wide(channel.mac, 0, 64, context) == rest[9:17]
        head = bytes((0x84, 0x82, level, 0, 16)) + wide(channel.mac, 1, 64, context)
        channel.last_mac = c.cmac(channel.mac, bytes(16) + head)
    return channel, head + channel.last_mac[:8]


def open_channel(element: Element, domain: DomainProfile, level: int = 1) -> Channel:
    """Open a session to a domain."""
    channel, authenticate = derive(element, domain, level, initialize(element, domain))
    assert split(element.transmit(authenticate)) == (b"", "9000")
    return channel
