"""What every application on the card is: it has a name, is selected, answers commands, may be locked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.chance import Random
from ota.sandbox.element.faults import Faults
from ota.sandbox.element.options import Options
from ota.sandbox.element.status import OK, CardError

# Life cycle states, GP Card Spec 2.3.1 11.1.1.
LOADED = 0x01
INSTALLED = 0x03
SELECTABLE = 0x07
PERSONALIZED = 0x0F
SECURED = 0x0F
LOCKED_BIT = 0x80

Decipher = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Platform:
    """What the card lends to its applications."""

    options: Options
    random: Random
    faults: Faults


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an instance comes from: package, module, and the security domain it belongs to, each an AID."""

    package: bytes
    module: bytes
    domain: bytes


class Application(ABC):
    """An entry of the card's registry that can be selected."""

    def __init__(self, aid: bytes, privileges: bytes = bytes(3)) -> None:
        self.aid = aid
        self.privileges = privileges
        self.life_cycle = INSTALLED
        self.locked = False

    @property
    def selectable(self) -> bool:
        """Whether SELECT finds it (GP Card Spec 2.3.1 6.4.2)."""
        return self.life_cycle >= SELECTABLE and not self.locked

    @abstractmethod
    def select(self) -> bytes:
        """Become the selected application; answer the file control information."""

    def deselect(self) -> None:  # noqa: B027 - an application without volatile state has nothing to forget
        """Forget what does not outlive the selection, also when the power goes."""

    @abstractmethod
    def process(self, command: Command) -> bytes:
        """Answer the data of one command, or raise CardError."""

    def respond(self, command: Command) -> bytes:
        """Answer one command, status word included."""
        try:
            return self.process(command) + OK.to_bytes(2, "big")
        except CardError as refusal:
            return refusal.data + refusal.sw.to_bytes(2, "big")


class Applet(Application):
    """An instance that was installed and can be personalised and deleted."""

    memory = 0
    """Bytes that an instance takes."""

    def __init__(self, aid: bytes, privileges: bytes, origin: Origin) -> None:
        super().__init__(aid, privileges)
        self.origin = origin

    @property
    def needs(self) -> tuple[Applet, ...]:
        """Other instances that must not be deleted before this one."""
        return ()

    @abstractmethod
    def store(self, dgi: int, content: bytes, decipher: Decipher | None) -> None:
        """Take one data grouping of the personalisation; `decipher` is there when it came enciphered."""

    @abstractmethod
    def finish_personalisation(self) -> None:
        """The last data grouping was sent: be ready, or refuse with 6985 what is not complete."""
