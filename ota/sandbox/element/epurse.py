"""The commands that the T-Union and the Lingnantong application have in common: files, purse, maintenance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from enum import StrEnum

from ota.sandbox.element import pin_commands
from ota.sandbox.element.apdu import Command, refuse_wrong_le
from ota.sandbox.element.application import PERSONALIZED, Applet
from ota.sandbox.element.content import Request
from ota.sandbox.element.file_commands import FileCommands
from ota.sandbox.element.files import File
from ota.sandbox.element.key_update import write_key
from ota.sandbox.element.keyring import Role
from ota.sandbox.element.load import EP, credit_for_load, get_transaction_prove, initialize_for_load
from ota.sandbox.element.purchase import CachedRecord, debit_for_purchase, initialize_for_purchase
from ota.sandbox.element.purse import COMPOUND_PURCHASE, Purse
from ota.sandbox.element.secure_messaging import SecureMessaging, internal_authenticate
from ota.sandbox.element.status import (
    CONDITIONS_NOT_SATISFIED,
    LOCKED,
    LOCKED_FOR_GOOD,
    SECURITY_NOT_SATISFIED,
    WRONG_CLA,
    WRONG_DATA,
    WRONG_INS,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)

Run = Callable[[Command], bytes]


class Lock(StrEnum):
    """Whether the application was blocked (CARD.md 1.7)."""

    OPEN = "open"
    TEMPORARY = "temporary"
    FOR_GOOD = "for_good"


class PurseApplication(Applet):
    """An application with files and a purse; the subclass says which files, which purse, which names."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.aid, request.privileges, request.origin)
        self._platform = request.platform
        self._messaging = SecureMessaging(request.platform.random)
        self._lock = Lock.OPEN
        self._cache: list[CachedRecord] = []
        self._files = FileCommands(lambda: self.files)
        self._commands = self._free_commands() | {
            code: self._unless_locked(run) for code, run in self._lockable_commands().items()
        }

    @property
    @abstractmethod
    def purse(self) -> Purse:
        """The purse behind this application."""

    @property
    @abstractmethod
    def files(self) -> Mapping[int, File]:
        """The files of the current directory by short identifier."""

    @property
    @abstractmethod
    def file_control_information(self) -> bytes:
        """What SELECT answers."""

    @abstractmethod
    def select_by_identifier(self, identifier: int) -> bytes:
        """SELECT of a file or directory inside the application."""

    def require_purse(self) -> Purse:
        """The purse, where the current directory has one."""
        return self.purse

    def select(self) -> bytes:
        """Answer the file control information, with 6A81 when locked for a time, 9303 alone when for good."""
        self.deselect()
        return self.opened()

    def opened(self) -> bytes:
        """Answer for the directory that is current now."""
        require(self._lock is not Lock.FOR_GOOD, LOCKED_FOR_GOOD)
        if self._lock is Lock.TEMPORARY:
            raise CardError(LOCKED, self.file_control_information)
        return self.file_control_information

    def deselect(self) -> None:
        """Forget transaction, PIN, challenge and current file."""
        self.purse.forget()
        self._cache.clear()
        self._files.forget()
        self._messaging.forget()

    def process(self, command: Command) -> bytes:
        """Run one command."""
        self._messaging.command_arrives()
        require(any(command.cla == cla for cla, _ in self._commands), WRONG_CLA)
        return needed(self._commands.get((command.cla, command.ins)), WRONG_INS)(command)

    def finish_personalisation(self) -> None:
        """Note that the instance is complete."""
        self.life_cycle = PERSONALIZED

    def _free_commands(self) -> dict[tuple[int, int], Run]:
        """Commands that a locked application takes too."""
        return {
            (0x00, 0xA4): self._select_file,
            (0x00, 0xB0): self._files.read_binary,
            (0x00, 0xB2): self._files.read_record,
            (0x00, 0x84): self._messaging.get_challenge,
            (0x80, 0x5C): self._get_balance,
            (0x84, 0x1E): self._block,
            (0x84, 0x18): self._unblock,
        }

    def _lockable_commands(self) -> dict[tuple[int, int], Run]:
        return {
            (0x00, 0x20): lambda command: pin_commands.verify(self.purse, command),
            (0x00, 0x82): lambda command: self._messaging.external_authenticate(command, self.purse.keys),
            (0x00, 0x88): lambda command: internal_authenticate(command, self.purse.keys),
            (0x00, 0xD6): self._refuse_plain_update,
            (0x00, 0xDC): self._refuse_plain_update,
            (0x04, 0xD6): self._update_binary,
            (0x04, 0xDC): self._update_record,
            (0x80, 0x50): self._initialize,
            (0x80, 0x52): lambda command: credit_for_load(self.require_purse(), self._platform, command),
            (0x80, 0x54): self._debit,
            (0x80, 0x5A): lambda command: get_transaction_prove(
                self.require_purse(), self._platform, command
            ),
            (0x80, 0x5E): lambda command: pin_commands.change_or_reload(self.purse, command),
            (0x80, 0xDC): self._cache_record,
            (0x84, 0x24): lambda command: pin_commands.unblock(self.purse, command, self._messaging),
            (0x84, 0xD4): lambda command: write_key(command, self.purse.keys, self._messaging),
        }

    def _unless_locked(self, run: Run) -> Run:
        def guarded(command: Command) -> bytes:
            require(self._lock is not Lock.FOR_GOOD, LOCKED_FOR_GOOD)
            require(self._lock is not Lock.TEMPORARY, LOCKED)
            return run(command)

        return guarded

    def _select_file(self, command: Command) -> bytes:
        require(command.p1 == 0 and command.p2 in (0x00, 0x0C), WRONG_P1P2)
        require(len(command.data) == 2, WRONG_DATA)
        return self.select_by_identifier(int.from_bytes(command.data, "big"))

    def _get_balance(self, command: Command) -> bytes:
        """Balance, or by P1 overdraft limit, overdraft used and usable balance; P1=05 P2=02 gives all four."""
        require(command.p1 in (0, 1, 2, 3, 5) and command.p2 == EP, WRONG_P1P2)
        purse = self.require_purse()
        purse.require_ready()
        balance, none = purse.state.balance.to_bytes(4, "big"), bytes(4)
        answer = {0: balance, 1: none, 2: none, 3: balance, 5: balance + none + none + balance}[command.p1]
        refuse_wrong_le(command, len(answer))
        return answer

    def _initialize(self, command: Command) -> bytes:
        self._cache.clear()
        initialize = initialize_for_purchase if command.p1 else initialize_for_load
        return initialize(self.require_purse(), self._platform, command)

    def _cache_record(self, command: Command) -> bytes:
        """Keep a record for the debit of the compound purchase under way; one for each file."""
        pending = needed(self.purse.pending, CONDITIONS_NOT_SATISFIED)
        require(pending.kind == COMPOUND_PURCHASE, CONDITIONS_NOT_SATISFIED)
        file = self._files.record_file(command)
        require(all(cached.file is not file for cached in self._cache), CONDITIONS_NOT_SATISFIED)
        file.check(command.p1, command.data)
        self._cache.append(CachedRecord(file, command.p1, command.data))
        return b""

    def _debit(self, command: Command) -> bytes:
        cache, self._cache = self._cache, []
        return debit_for_purchase(self.require_purse(), self._platform, command, cache)

    def _refuse_plain_update(self, _command: Command) -> bytes:
        raise CardError(SECURITY_NOT_SATISFIED)

    def _update_binary(self, command: Command) -> bytes:
        data = self._messaging.unprotected(command, self.purse.keys, Role.APP_MAINTENANCE)
        return self._files.update_binary(command, data)

    def _update_record(self, command: Command) -> bytes:
        data = self._messaging.unprotected(command, self.purse.keys, Role.PURSE_RECORD)
        return self._files.update_record(command, data)

    def _block(self, command: Command) -> bytes:
        """Lock for a time (P2=00) or for good (P2=01)."""
        require(self._lock is not Lock.FOR_GOOD, LOCKED_FOR_GOOD)
        require(command.p1 == 0 and command.p2 in (0, 1), WRONG_P1P2)
        self._messaging.unprotected(command, self.purse.keys, Role.APP_BLOCK)
        self._lock = Lock.FOR_GOOD if command.p2 else Lock.TEMPORARY
        return b""

    def _unblock(self, command: Command) -> bytes:
        """Open again; the third wrong MAC locks for good."""
        require(self._lock is not Lock.FOR_GOOD, LOCKED_FOR_GOOD)
        require(command.reference == 0, WRONG_P1P2)
        try:
            self._messaging.unprotected(command, self.purse.keys, Role.APP_UNBLOCK)
        except CardError:
            if not self.purse.keys.tries_left(Role.APP_UNBLOCK):
                self._lock = Lock.FOR_GOOD
            raise
        self._lock = Lock.OPEN
        return b""
