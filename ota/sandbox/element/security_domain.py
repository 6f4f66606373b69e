"""A security domain: opens secure channels and manages what is on the card through them."""

from __future__ import annotations

from ota.sandbox.element import card_data
from ota.sandbox.element.apdu import MAC_BIT, Command
from ota.sandbox.element.application import SECURED, Application, Platform
from ota.sandbox.element.channel import Opening, SecureChannel
from ota.sandbox.element.content import FOR_PERSONALIZATION, Build, Content
from ota.sandbox.element.get_status import StatusPager
from ota.sandbox.element.keys import DomainProfile, KeySet
from ota.sandbox.element.personalisation import Personalisation
from ota.sandbox.element.put_key import read_keys
from ota.sandbox.element.registry import Registry
from ota.sandbox.element.scp02 import Scp02
from ota.sandbox.element.scp03 import PSEUDO_RANDOM, Scp03
from ota.sandbox.element.status import (
    AUTHENTICATION_BLOCKED,
    CONDITIONS_NOT_SATISFIED,
    NO_SECURE_MESSAGING,
    OK,
    REFERENCE_NOT_FOUND,
    SECURITY_NOT_SATISFIED,
    WRONG_CLA,
    WRONG_DATA,
    WRONG_INS,
    WRONG_LENGTH,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)
from ota.sandbox.element.tlv import read_lv, read_tlvs, tlv

INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE, GET_DATA = 0x50, 0x82, 0xCA
_STORABLE = (0x42, 0x45)  # issuer identification number, card image number


class SecurityDomain(Application):
    """The issuer's security domain or one of an application provider (GP Card Spec 2.3.1 7)."""

    def __init__(
        self,
        profile: DomainProfile,
        privileges: bytes,
        platform: Platform,
        registry: Registry,
        modules: dict[bytes, Build],
    ) -> None:
        super().__init__(profile.aid, privileges)
        self.life_cycle = SECURED
        self.profile = profile
        self._platform = platform
        self._options = platform.options
        self._key_sets = [profile.keys]  # the first is the default
        self._counters = {profile.keys.version: platform.options.sequence}
        self._failures = 0
        self._data_objects: dict[int, bytes] = {}
        self._version_in_use = profile.keys.version
        self._channel: SecureChannel | None = None
        self._personalisation: Personalisation | None = None
        self._content = Content(self, registry, platform, modules)
        self._pager = StatusPager(registry)
        self._managed = {
            0xE6: self._install,
            0xE4: self._content.delete,
            0xF0: self._content.set_status,
            0xF2: self._pager.process,
            0xE2: self._store_data,
            0xD8: self._put_key,
        }

    @property
    def _is_aes(self) -> bool:
        return self._options.scp == "03"

    def select(self) -> bytes:
        """Answer the name and what the domain can do."""
        return card_data.domain_fci(self.profile, self._options.scp, self._options.i)

    def deselect(self) -> None:
        """Close the secure channel."""
        self._channel = None
        self._personalisation = None

    def respond(self, command: Command) -> bytes:
        """Take the protection off, run the command, protect the answer."""
        try:
            if command.ins in (INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE):
                return super().respond(command)
            command = self._unprotected(command)
        except CardError as refusal:
            self.deselect()  # a command that fails its check ends the session (E.1.6; Amendment D 5.6)
            return refusal.sw.to_bytes(2, "big")
        try:
            data, sw = self.process(command), OK
        except CardError as refusal:
            data, sw = refusal.data, refusal.sw
        if self._channel:
            return self._channel.wrap(data, sw)
        return data + sw.to_bytes(2, "big")

    def process(self, command: Command) -> bytes:
        """Run one unprotected command."""
        if command.ins == GET_DATA:
            return self._get_data(command)
        require(command.cla & ~MAC_BIT == 0x80, WRONG_CLA)
        if command.ins == INITIALIZE_UPDATE:
            return self._initialize_update(command)
        if command.ins == EXTERNAL_AUTHENTICATE:
            return self._external_authenticate(command)
        run = needed(self._managed.get(command.ins), WRONG_INS)
        self._open_channel()
        return run(command)

    def _open_channel(self) -> SecureChannel:
        channel = needed(self._channel, SECURITY_NOT_SATISFIED)
        require(channel.level is not None, SECURITY_NOT_SATISFIED)
        return channel

    def _unprotected(self, command: Command) -> Command:
        if not command.cla & MAC_BIT:
            require(not self._channel or not self._channel.level, SECURITY_NOT_SATISFIED)
            return command
        channel = self._open_channel()
        require(channel.level, NO_SECURE_MESSAGING)
        return channel.unwrap(command)

    def _initialize_update(self, command: Command) -> bytes:
        """Start a session (E.5.1; Amendment D 7.1.1); a running one ends."""
        self.deselect()
        require(command.cla == 0x80, WRONG_CLA)
        require(command.p2 == 0, WRONG_P1P2)
        require(len(command.data) == 8, WRONG_LENGTH)
        require(self._failures < self._options.failed_authentications, AUTHENTICATION_BLOCKED)
        keys = self._keys_of(command.p1)
        counter = self._counter_to_use(keys.version)
        opening = Opening(keys, self._options.i, self.aid, counter, command.data, self._platform.random)
        self._channel = Scp03(opening) if self._is_aes else Scp02(opening)
        self._version_in_use = keys.version
        return self.profile.diversification_data + bytes((keys.version,)) + self._channel.answer

    def _counter_to_use(self, version: int) -> int:
        """The counter of the session that starts; 6985 when there is none left.

        SCP03 with pseudo-random challenges steps before each challenge, so that none comes twice (Amendment D
        6.2.2.1; recorded cards show 000001 in their first session). SCP02 steps when a session is open (E.1.2.1).
        """
        steps_now = self._is_aes and self._options.i & PSEUDO_RANDOM
        counter = self._counters[version] + (1 if steps_now else 0)
        require(counter < (1 << 24 if self._is_aes else 1 << 16), CONDITIONS_NOT_SATISFIED)
        if steps_now:
            self._counters[version] = counter
        return counter

    def _keys_of(self, version: int) -> KeySet:
        found = [keys for keys in self._key_sets if version in (0, keys.version)]
        require(found, REFERENCE_NOT_FOUND)
        return found[0]

    def _external_authenticate(self, command: Command) -> bytes:
        """Finish opening the session, or count a failure; too many lock the domain."""
        channel = needed(self._channel, CONDITIONS_NOT_SATISFIED)
        require(channel.level is None, CONDITIONS_NOT_SATISFIED)
        try:
            require(command.cla & MAC_BIT, SECURITY_NOT_SATISFIED)
            channel.authenticate(command)
        except CardError:
            self._failures += 1
            self.deselect()
            raise
        self._failures = 0
        if not self._is_aes:
            self._counters[self._version_in_use] += 1  # when the first C-MAC proved right, E.1.2.1
        return b""

    def _get_data(self, command: Command) -> bytes:
        options, tag = self._options, command.reference
        if tag == 0x9F7F:
            return card_data.production_data(self.profile.diversification_data)
        if tag == 0x0066:
            return card_data.recognition_data(options.scp, options.i)
        if tag == 0x00E0:
            return card_data.key_information(self._key_sets, is_aes=self._is_aes)
        if tag == 0x00CF:
            return tlv(0xCF, self.profile.diversification_data)
        if tag == 0x00C1:
            return self._sequence_counter()
        require(tag in self._data_objects, REFERENCE_NOT_FOUND)
        return tlv(tag, self._data_objects[tag])

    def _sequence_counter(self) -> bytes:
        """The counter of the default keys: SCP02 uses it next, SCP03 the one after it, or none at all."""
        require(not self._is_aes or self._options.i & PSEUDO_RANDOM, REFERENCE_NOT_FOUND)
        counter = self._counters[self._key_sets[0].version]
        return tlv(0xC1, counter.to_bytes(3 if self._is_aes else 2, "big"))

    def _install(self, command: Command) -> bytes:
        if command.p1 != FOR_PERSONALIZATION:
            return self._content.install(command)
        fields = read_lv(command.data)
        require(len(fields) >= 3 and command.p2 == 0, WRONG_DATA)
        self._personalisation = Personalisation(self._content.own(fields[2]))
        return b"\x00"

    def _store_data(self, command: Command) -> bytes:
        """For the instance named by INSTALL [for personalization], else data objects of the domain itself."""
        if self._personalisation:
            if self._personalisation.take(command, self._open_channel().decipher):
                self._personalisation = None
            return b""
        for tag, value in read_tlvs(command.data):
            require(tag in _STORABLE, REFERENCE_NOT_FOUND)
            self._data_objects[tag] = value
        return b""

    def _put_key(self, command: Command) -> bytes:
        """Add a key version, or replace the one that P1 names; its sequence counter starts anew."""
        keys, answer = read_keys(command, self._open_channel().decipher, is_aes=self._is_aes)
        if command.p1:
            replaced = self._keys_of(command.p1)
            self._key_sets.remove(replaced)
            del self._counters[replaced.version]
        require(all(other.version != keys.version for other in self._key_sets), WRONG_DATA)
        self._key_sets.insert(0, keys)
        self._counters[keys.version] = self._options.sequence
        return answer
