"""INSTALL, DELETE and SET STATUS: what comes onto the card and goes (GP Card Spec 2.3.1 11.2, 11.5, 11.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import LOCKED_BIT, SELECTABLE, Applet, Application, Origin, Platform
from ota.sandbox.element.registry import Registry
from ota.sandbox.element.status import (
    CONDITIONS_NOT_SATISFIED,
    NO_SPACE,
    REFERENCE_NOT_FOUND,
    WRONG_DATA,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)
from ota.sandbox.element.tlv import find_tlv, read_lv

FOR_INSTALL, FOR_MAKE_SELECTABLE, FOR_PERSONALIZATION = 0x04, 0x08, 0x20
GLOBAL_DELETE = 0x10
"""Bit of the second privilege byte (table 11-8)."""
_NO_RECEIPT = b"\x00"


@dataclass(frozen=True, slots=True)
class Request:
    """What INSTALL hands to a new instance; `parameters` is the value under C9."""

    aid: bytes
    privileges: bytes
    parameters: bytes
    origin: Origin
    platform: Platform
    registry: Registry


Build = Callable[[Request], Applet]


class Content:
    """The content management of one security domain."""

    def __init__(
        self, domain: Application, registry: Registry, platform: Platform, modules: dict[bytes, Build]
    ) -> None:
        self._domain = domain
        self._registry = registry
        self._platform = platform
        self._modules = modules

    def install(self, command: Command) -> bytes:
        """INSTALL [for install], [for make selectable] or both; the answer is an empty receipt."""
        require(command.p1 in (0x04, 0x08, 0x0C) and command.p2 == 0, WRONG_P1P2)
        fields = read_lv(command.data)
        require(len(fields) >= 5, WRONG_DATA)
        package, module, aid, privileges, parameters = fields[:5]
        require(5 <= len(aid) <= 16 and len(privileges) in (0, 1, 3), WRONG_DATA)
        if command.p1 & FOR_INSTALL:
            self._add(
                Origin(package, module, self._domain.aid), aid, privileges.ljust(3, b"\x00"), parameters
            )
        if command.p1 & FOR_MAKE_SELECTABLE:
            applet = self.own(aid)
            applet.life_cycle = max(applet.life_cycle, SELECTABLE)
        return _NO_RECEIPT

    def own(self, aid: bytes) -> Applet:
        """An instance of this security domain, or 6A88."""
        applet = needed(self._registry.find_applet(aid), REFERENCE_NOT_FOUND)
        require(applet.origin.domain == self._domain.aid, REFERENCE_NOT_FOUND)
        return applet

    def delete(self, command: Command) -> bytes:
        """DELETE an instance; what another one needs, a security domain or a package of the chip stays."""
        require(command.p1 == 0 and command.p2 in (0x00, 0x80), WRONG_P1P2)
        aid = needed(find_tlv(command.data, 0x4F), WRONG_DATA)
        applet = self._within_reach(aid)
        require(not self._registry.users_of(applet), CONDITIONS_NOT_SATISFIED)
        self._registry.applications.remove(applet)
        return _NO_RECEIPT

    def set_status(self, command: Command) -> bytes:
        """Lock or unlock an application by the top bit of P2 (11.10.2.2)."""
        require(command.p1 == 0x40, WRONG_P1P2)
        self._within_reach(command.data).locked = bool(command.p2 & LOCKED_BIT)
        return b""

    def _within_reach(self, aid: bytes) -> Applet:
        """An instance of this domain, or any for a domain with global delete; what came with the chip is 6985."""
        applet = self._registry.find_applet(aid)
        if applet is None:
            built_in = self._registry.find_package(aid) or self._registry.find(aid)
            raise CardError(CONDITIONS_NOT_SATISFIED if built_in else REFERENCE_NOT_FOUND)
        mine = applet.origin.domain == self._domain.aid
        require(mine or self._domain.privileges[1] & GLOBAL_DELETE, CONDITIONS_NOT_SATISFIED)
        return applet

    def _add(self, origin: Origin, aid: bytes, privileges: bytes, parameters: bytes) -> None:
        package = needed(self._registry.find_package(origin.package), REFERENCE_NOT_FOUND)
        require(origin.module in package.modules, REFERENCE_NOT_FOUND)
        require(not self._registry.find(aid), CONDITIONS_NOT_SATISFIED)
        specific = find_tlv(parameters, 0xC9) or b""
        request = Request(aid, privileges, specific, origin, self._platform, self._registry)
        applet = self._modules[origin.module](request)
        limit = self._platform.options.memory
        require(limit is None or self._registry.memory_used + applet.memory <= limit, NO_SPACE)
        self._registry.applications.append(applet)
