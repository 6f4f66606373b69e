"""From a card key's name to objects in the token: what the name may do, how much of the key may be seen outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ota.card.keys import KeyRole
from ota.hsm_adapter.errors import AlgorithmNotSupported, ExposureRefused, KeyMisuse, KeyNotUsable
from ota.hsm_adapter.keys import CARD_ALGORITHMS, FACTOR_LENGTH, SECURITY_DOMAIN_ROLES
from ota.hsm_adapter.pkcs11.errors import KeyNeedsPath
from ota.hsm_adapter.pkcs11.templates import Use, raw_bytes
from ota.hsm_adapter.ports import Exposure, Operation
from ota.hsm_adapter.software.cardkeys import RULES
from ota.hsm_adapter.software.diversify import complemented

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import CardKey, KeyRef, KeySetRef, Path
    from ota.hsm_adapter.pkcs11.ciphers import TokenCipher
    from ota.hsm_adapter.pkcs11.masters import Master, Masters
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken

_KEY_LENGTH: Final = 2 * FACTOR_LENGTH


@dataclass(frozen=True, slots=True)
class CardKeys:
    """Derives card keys for one piece of work. City keys stay in the token, card keys end with the work."""

    token: OpenToken
    masters: Masters
    maximum: Exposure

    def cipher(self, key: CardKey) -> TokenCipher:
        """How the key's algorithm is called; raises KeyUnknown."""
        return self.masters.get(key.ref).cipher

    def checked(self, ref: KeyRef, operation: Operation) -> Master:
        """The master, when the operation may use it; raises KeyMisuse, AlgorithmNotSupported, KeyNotUsable, KeyUnknown."""
        rule = RULES[operation]
        if ref.role not in rule.roles:
            raise KeyMisuse(ref)
        if ref.algorithm not in rule.algorithms:
            raise AlgorithmNotSupported(ref.algorithm)
        master = self.masters.get(ref)
        if master.entry.state not in rule.states:
            raise KeyNotUsable(ref, master.entry.state)
        return master

    def card(self, key: CardKey, operation: Operation) -> Handle:
        """The card key as a deriving key in the token; without a path it is the master itself."""
        master = self.checked(key.ref, operation)
        if not key.path:
            return master.handle
        city = self._city(key, master)
        return self.token.child(city, master.cipher, complemented(key.path[-1]), Use.DERIVE)

    def left_half(self, key: CardKey, operation: Operation) -> Handle:
        """The left half of a 3DES card key, twice over, which is single DES; raises KeyNeedsPath."""
        master, city = self._above(key, operation)
        return self.token.child(city, master.cipher, key.path[-1] * 2, Use.ENCIPHER)

    def sealed(self, key: CardKey, operation: Operation) -> Handle:
        """The card key's bytes inside the token, which may leave it wrapped and not otherwise; raises KeyNeedsPath."""
        master, city = self._above(key, operation)
        data = complemented(key.path[-1])
        return self.token.derive(city, master.cipher, data, raw_bytes(_KEY_LENGTH, readable=False))

    def exposed(self, key: CardKey, operation: Operation) -> bytearray:
        """The card key in this process; raises ExposureRefused unless the deployment allows that, KeyNeedsPath."""
        master, city = self._above(key, operation)
        self.allow(Exposure.CARD_KEY)
        return bytearray(self.token.public(city, master.cipher, complemented(key.path[-1])))

    def allow(self, exposure: Exposure) -> None:
        """Raise ExposureRefused when this deployment allows less."""
        if exposure > self.maximum:
            raise ExposureRefused

    def domain(self, keys: KeySetRef) -> Mapping[KeyRole, Master]:
        """The three masters of a security domain; raises as `checked` does."""
        return {
            role: self.checked(keys.key(role), Operation.OPEN_CHANNEL)
            for role in sorted(SECURITY_DOMAIN_ROLES)
        }

    def _above(self, key: CardKey, operation: Operation) -> tuple[Master, Handle]:
        master = self.checked(key.ref, operation)
        if not key.path:
            raise KeyNeedsPath(key.ref)
        return master, self._city(key, master)

    def _city(self, key: CardKey, master: Master) -> Handle:
        """The key one level above the card's."""
        outer = key.path[:-1]
        if key.ref.algorithm not in CARD_ALGORITHMS:
            raise AlgorithmNotSupported(key.ref.algorithm)  # no rule says how AES would be diversified so
        if not outer:
            return master.handle
        return self.token.kept(("city", key.ref, outer), lambda: (self._derived(master, outer),))[0]

    def _derived(self, master: Master, path: Path) -> Handle:
        handle = master.handle
        for factor in path:
            handle = self.token.child(handle, master.cipher, complemented(factor), Use.DERIVE)
        return handle
