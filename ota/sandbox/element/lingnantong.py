"""The Lingnantong application: a tree with DDF1 (card information) and ADF3 (purse) and two names for them.

CARD.md 3.8. PAY.APPY and PAY.TICL are instances of their own that lead into the main instance.
"""

from __future__ import annotations

from collections.abc import Mapping

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import Applet, Decipher
from ota.sandbox.element.content import Request
from ota.sandbox.element.epurse import PurseApplication
from ota.sandbox.element.files import BinaryFile, CyclicFile, File, LogFile
from ota.sandbox.element.personalise_purse import build_purse, take_purse_dgi
from ota.sandbox.element.purse import LOAD, Entry, Purse
from ota.sandbox.element.registry import Registry
from ota.sandbox.element.status import (
    CONDITIONS_NOT_SATISFIED,
    FILE_NOT_FOUND,
    REFERENCE_NOT_FOUND,
    WRONG_DATA,
    CardError,
    require,
)
from ota.sandbox.element.tlv import find_tlv, tlv

DDF1, ADF3 = 0xDDF1, 0xADF3
NAMES = {DDF1: b"PAY.APPY", ADF3: b"PAY.TICL"}
INFORMATION, STATISTICS, LOG = 0x15, 0x08, 0x18
_INFORMATION_DGI, _STATISTICS_DGI, _PURSE_INFORMATION_DGI = 0xB101, 0xB108, 0xB10C
_DGI_LENGTHS = {_INFORMATION_DGI: 88, _STATISTICS_DGI: 22, _PURSE_INFORMATION_DGI: 33}
_OWNER, _DIRECTORY = 0x81, 0x82
"""Tags of the install parameters: whose purse is shared; which directory an alias leads to."""


class Lingnantong(PurseApplication):
    """The main instance, with the tree in it; its purse is its own or that of another instance."""

    memory = 6144

    def __init__(self, request: Request) -> None:
        self._owner = _purse_owner(request)
        self._own_purse = build_purse(request.platform.options)
        self._directory: int | None = None
        self._personalised = False
        self._taken: set[int] = set()
        self._information = BinaryFile(88)
        self._statistics = CyclicFile(22, 1)
        self._log = LogFile(lambda: self.purse, log_record)
        self._purse_information = b""
        super().__init__(request)

    @property
    def needs(self) -> tuple[Applet, ...]:
        """The instance whose purse is shared."""
        return (self._owner,) if self._owner else ()

    @property
    def purse(self) -> Purse:
        """The shared purse, or its own."""
        return self._owner.purse if self._owner else self._own_purse

    @property
    def files(self) -> Mapping[int, File]:
        """The files of the current directory; the root has none."""
        if self._directory == DDF1:
            return {INFORMATION: self._information, STATISTICS: self._statistics}
        return {LOG: self._log} if self._directory == ADF3 else {}

    @property
    def file_control_information(self) -> bytes:
        """The name of the current directory, and for the purse its information (CARD.md 3.8)."""
        name = tlv(0x84, NAMES.get(self._directory or 0, self.aid))
        if self._directory == ADF3 and self._purse_information:
            name += tlv(0xA5, tlv(0x9F08, b"\x02") + tlv(0x9F0C, self._purse_information))
        return tlv(0x6F, name)

    def require_purse(self) -> Purse:
        """The purse is in ADF3 only."""
        require(self._directory == ADF3 and self._personalised, CONDITIONS_NOT_SATISFIED)
        return self.purse

    def enter(self, directory: int) -> bytes:
        """Select a directory of the tree from outside."""
        self.deselect()
        self._directory = directory
        return self.opened()

    def select(self) -> bytes:
        """Select the root."""
        self.deselect()
        return self.opened()

    def deselect(self) -> None:
        """Go back to the root and forget the rest."""
        super().deselect()
        self._directory = None

    def select_by_identifier(self, identifier: int) -> bytes:
        """A directory of the tree, or a file of the current directory."""
        if identifier in NAMES:
            return self.enter(identifier)
        return self._files.select(identifier)

    def store(self, dgi: int, content: bytes, decipher: Decipher | None) -> None:
        """Take card information, statistics, purse information, or the keys of an own purse."""
        require(not self._personalised, CONDITIONS_NOT_SATISFIED)
        if not self._owner and take_purse_dgi(self._own_purse, dgi, content, decipher):
            return
        require(decipher is None, WRONG_DATA)
        require(len(content) == _DGI_LENGTHS.get(dgi), WRONG_DATA)
        self._taken.add(dgi)
        if dgi == _INFORMATION_DGI:
            self._information.write(0, content)
        elif dgi == _STATISTICS_DGI:
            self._statistics.write(0, content)
        else:
            self._purse_information = content

    def finish_personalisation(self) -> None:
        """Be ready when the card information is there."""
        require(_INFORMATION_DGI in self._taken, CONDITIONS_NOT_SATISFIED)
        self._personalised = True
        self._own_purse.ready = not self._own_purse.keys.is_empty
        super().finish_personalisation()


class Alias(Applet):
    """A name that leads into one directory of the main instance."""

    memory = 256

    def __init__(self, request: Request, directory: int) -> None:
        super().__init__(request.aid, request.privileges, request.origin)
        self._registry = request.registry
        self._directory = directory
        require(directory in NAMES, WRONG_DATA)

    @property
    def needs(self) -> tuple[Applet, ...]:
        """The main instance."""
        main = _main_instance(self._registry)
        return (main,) if main else ()

    def select(self) -> bytes:
        """Select the directory."""
        return self._main().enter(self._directory)

    def deselect(self) -> None:
        """Let the main instance forget."""
        if main := _main_instance(self._registry):
            main.deselect()

    def process(self, command: Command) -> bytes:
        """Let the main instance answer."""
        return self._main().process(command)

    def store(self, dgi: int, content: bytes, decipher: Decipher | None) -> None:
        """There is nothing to personalise."""
        del dgi, content, decipher
        raise CardError(CONDITIONS_NOT_SATISFIED)

    def finish_personalisation(self) -> None:
        """There is nothing to personalise."""
        raise CardError(CONDITIONS_NOT_SATISFIED)

    def _main(self) -> Lingnantong:
        main = _main_instance(self._registry)
        if main is None:
            raise CardError(FILE_NOT_FOUND)
        return main


def build_lingnantong(request: Request) -> Applet:
    """The main instance, or an alias when the parameters name a directory."""
    directory = find_tlv(request.parameters, _DIRECTORY)
    if directory is None:
        return Lingnantong(request)
    return Alias(request, int.from_bytes(directory, "big"))


def log_record(entry: Entry) -> bytes:
    """23 bytes without a year: fare, MMDD, hhmm and a subtype stand for date and time (CARD.md 3.8)."""
    counter, amount = entry.counter.to_bytes(2, "big"), entry.amount.to_bytes(4, "big")
    is_load = entry.kind == LOAD
    fare = bytes(2) if is_load else (entry.amount & 0xFFFF).to_bytes(2, "big")
    subtype = entry.at[6:] if is_load else b"\x00"
    line = counter + bytes(3) + amount + bytes((entry.kind,)) + entry.terminal
    return line + fare + entry.at[2:6] + subtype


def _purse_owner(request: Request) -> PurseApplication | None:
    """The instance named in the parameters, which must be there and have a purse."""
    aid = find_tlv(request.parameters, _OWNER)
    if aid is None:
        return None
    owner = request.registry.find_applet(aid)
    if not isinstance(owner, PurseApplication):
        raise CardError(REFERENCE_NOT_FOUND)
    return owner


def _main_instance(registry: Registry) -> Lingnantong | None:
    return next((found for found in registry.applets if isinstance(found, Lingnantong)), None)
