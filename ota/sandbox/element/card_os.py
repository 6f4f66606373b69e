"""The card itself: powers up, finds applications by name, hands commands to the selected one."""

from __future__ import annotations

from ota.sandbox.element import chance
from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import Application, Platform
from ota.sandbox.element.card_data import production_data
from ota.sandbox.element.content import Build
from ota.sandbox.element.faults import Faults, PowerCut
from ota.sandbox.element.keys import DomainProfile
from ota.sandbox.element.lingnantong import build_lingnantong
from ota.sandbox.element.options import Options
from ota.sandbox.element.ppse import Ppse
from ota.sandbox.element.registry import Package, Registry
from ota.sandbox.element.security_domain import SecurityDomain
from ota.sandbox.element.status import (
    FILE_NOT_FOUND,
    NO_LOGICAL_CHANNEL,
    WRONG_LENGTH,
    WRONG_P1P2,
    CardError,
    require,
)
from ota.sandbox.element.tunion import TUnion

PACKAGE = bytes.fromhex("D15600015847444350")
TUNION_MODULE = PACKAGE + b"\x01"
LINGNANTONG_MODULE = PACKAGE + b"\x02"
PPSE_MODULE = PACKAGE + b"\x03"
_MODULES: dict[bytes, Build] = {
    TUNION_MODULE: TUnion,
    LINGNANTONG_MODULE: build_lingnantong,
    PPSE_MODULE: Ppse,
}

_SELECT, _GET_RESPONSE, _MANAGE_CHANNEL = 0xA4, 0xC0, 0x70
_BY_NAME = 0x04
_FIRST, _NEXT, _FIRST_WITHOUT_FCI = 0x00, 0x02, 0x0C
_ISSUER_PRIVILEGES = bytes.fromhex("9EFE80")
_OUR_PRIVILEGES = bytes.fromhex("80C000")  # security domain; trusted path and authorized management


class Element:
    """A secure element with two security domains and three applets ready to be installed.

    What is written stays as long as the object lives; `reset` cuts the power in between.
    """

    def __init__(self, issuer: DomainProfile, ours: DomainProfile, options: Options | None = None) -> None:
        self.options = options or Options()
        self.faults = Faults()
        self.security_domains = (issuer, ours)
        self._platform = Platform(self.options, _random_of(self.options), self.faults)
        self._registry = Registry((Package(PACKAGE, tuple(_MODULES)),))
        for profile, privileges in ((issuer, _ISSUER_PRIVILEGES), (ours, _OUR_PRIVILEGES)):
            domain = SecurityDomain(profile, privileges, self._platform, self._registry, dict(_MODULES))
            self._registry.applications.append(domain)
        self._selected: Application = self._registry.applications[0]
        self._listed_only: tuple[bytes, ...] | None = None
        self._waiting = b""

    @property
    def se_id(self) -> str:
        """The element's number: its key diversification data, 20 hex digits."""
        return self.security_domains[1].diversification_data.hex().upper()

    @property
    def cplc(self) -> bytes:
        """Card production life cycle data, tag 9F7F included."""
        return production_data(self.security_domains[1].diversification_data)

    def transmit(self, apdu: bytes) -> bytes:
        """Answer one command, status word last. Raises PowerCut when an accident was planned for now."""
        try:
            self.faults.command_arrives()
            response = self._answer(apdu)
            self.faults.command_is_done()
        except PowerCut:
            self.reset()
            raise
        return response

    def reset(self) -> None:
        """Cut the power: sessions, selections and transactions under way are gone."""
        self._selected.deselect()
        self._selected = self._registry.applications[0]
        self._listed_only = None
        self._waiting = b""

    def _answer(self, apdu: bytes) -> bytes:
        try:
            command = Command.parse(apdu)
            planned = self.faults.planned_answer(command.ins)
            if planned is not None:
                return planned.to_bytes(2, "big")
            return self._by_61xx(command) if self.options.response_by_61xx else self._run(command)
        except CardError as refusal:
            return refusal.data + refusal.sw.to_bytes(2, "big")

    def _run(self, command: Command) -> bytes:
        # Bits 1 and 2 of the class name a logical channel; this card has the basic one only.
        require(command.cla & 0x03 == 0 and command.ins != _MANAGE_CHANNEL, NO_LOGICAL_CHANNEL)
        if command.cla == 0 and command.ins == _SELECT and command.p1 == _BY_NAME:
            return self._select(command) + b"\x90\x00"
        return self._selected.respond(command)

    def _by_61xx(self, command: Command) -> bytes:
        """Behave as over T=0: an answer to a command with data waits for GET RESPONSE (ISO/IEC 7816-3 10.3)."""
        if command.cla == 0 and command.ins == _GET_RESPONSE:
            waiting, self._waiting = self._waiting, b""
            require(waiting, 0x6985)
            return waiting
        response = self._run(command)
        if len(response) == 2 or not command.data:
            return response
        self._waiting = response
        return bytes((0x61, len(response) - 2 & 0xFF))

    def _select(self, command: Command) -> bytes:
        """By full or partial name, first or next occurrence (GP Card Spec 2.3.1 11.9.2)."""
        require(command.p2 in (_FIRST, _NEXT, _FIRST_WITHOUT_FCI), WRONG_P1P2)
        require(len(command.data) <= 16, WRONG_LENGTH)
        found = [app for app in self._registry.matching(command.data) if self._may_be_selected(app)]
        if not command.data:
            found = found[:1]
        if command.p2 == _NEXT and self._selected in found:
            found = found[found.index(self._selected) + 1 :]
        require(found, FILE_NOT_FOUND)
        self._selected.deselect()
        self._selected = found[0]
        fci = self._selected.select()
        if isinstance(self._selected, Ppse) and self.options.ppse_restricts:
            self._listed_only = (*self._selected.listed, self._selected.aid)
        return b"" if command.p2 == _FIRST_WITHOUT_FCI else fci

    def _may_be_selected(self, application: Application) -> bool:
        """Once the list was asked for, some phones let only listed applications through (CARD.md 1.1)."""
        if self._listed_only is None or isinstance(application, SecurityDomain):
            return True
        return application.aid.startswith(self._listed_only)


def _random_of(options: Options) -> chance.Random:
    if options.fixed_random is not None:
        return chance.fixed(options.fixed_random)
    return chance.seeded(options.seed) if options.seed is not None else chance.true_random
