"""GET STATUS: what is on the card, a page at a time (GP Card Spec 2.3.1 11.4)."""

from __future__ import annotations

from collections.abc import Iterator

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import LOADED, LOCKED_BIT, Applet, Application
from ota.sandbox.element.registry import Package, Registry
from ota.sandbox.element.status import (
    MORE_STATUS_DATA,
    REFERENCE_NOT_FOUND,
    WRONG_DATA,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)
from ota.sandbox.element.tlv import find_tlv, tlv

ISSUER, APPLICATIONS, PACKAGES, PACKAGES_AND_MODULES = 0x80, 0x40, 0x20, 0x10
_NEXT, _TAGGED = 0x01, 0x02  # bits of P2
_PAGE = 216
"""Bytes of one answer: room for response padding and MAC in 256."""


class StatusPager:
    """Answers GET STATUS and remembers what the next page holds."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._waiting: list[bytes] = []

    def process(self, command: Command) -> bytes:
        """Answer one page; 6310 says that more follows, 6A88 that nothing fits."""
        require(command.p2 in (0, _NEXT, _TAGGED, _TAGGED | _NEXT), WRONG_P1P2)
        prefix = needed(find_tlv(command.data, 0x4F), WRONG_DATA)
        if not command.p2 & _NEXT:
            entries = self._entries(command.p1, bool(command.p2 & _TAGGED))
            self._waiting = [entry for aid, entry in entries if aid.startswith(prefix)]
        require(self._waiting, REFERENCE_NOT_FOUND)
        page = b""
        while self._waiting and len(page) + len(self._waiting[0]) <= _PAGE:
            page += self._waiting.pop(0)
        if self._waiting:
            raise CardError(MORE_STATUS_DATA, page)
        return page

    def _entries(self, scope: int, tagged: bool) -> Iterator[tuple[bytes, bytes]]:  # noqa: FBT001
        issuer, *others = self._registry.applications
        if scope in (ISSUER, APPLICATIONS):
            for application in [issuer] if scope == ISSUER else others:
                yield application.aid, _application(application, tagged=tagged)
        elif scope in (PACKAGES, PACKAGES_AND_MODULES):
            for package in self._registry.packages:
                with_modules = scope == PACKAGES_AND_MODULES
                yield package.aid, _package(package, issuer.aid, tagged=tagged, with_modules=with_modules)
        else:
            raise CardError(WRONG_P1P2)


def _application(application: Application, *, tagged: bool) -> bytes:
    life_cycle = bytes((application.life_cycle | (LOCKED_BIT if application.locked else 0),))
    if not tagged:
        aid = application.aid
        return bytes((len(aid),)) + aid + life_cycle + application.privileges[:1]
    entry = tlv(0x4F, application.aid) + tlv(0x9F70, life_cycle) + tlv(0xC5, application.privileges)
    if isinstance(application, Applet):
        entry += tlv(0xC4, application.origin.package) + tlv(0xCC, application.origin.domain)
    return tlv(0xE3, entry)


def _package(package: Package, domain: bytes, *, tagged: bool, with_modules: bool) -> bytes:
    modules = package.modules if with_modules else ()
    state = bytes((LOADED,))
    if tagged:
        entry = tlv(0x4F, package.aid) + tlv(0x9F70, state)
        entry += b"".join(tlv(0x84, module) for module in modules) + tlv(0xCC, domain)
        return tlv(0xE3, entry)
    plain = bytes((len(package.aid),)) + package.aid + state + b"\x00"
    if with_modules:
        plain += bytes((len(modules),)) + b"".join(bytes((len(aid),)) + aid for aid in modules)
    return plain
