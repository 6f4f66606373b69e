"""Make a purse, and fill it with the keys of a personalisation (CARD.md 3.7)."""

from __future__ import annotations

from ota.sandbox.element.application import Decipher
from ota.sandbox.element.keyring import KEY_SET_ROLES, Keyring, Role
from ota.sandbox.element.options import Options
from ota.sandbox.element.pin import Pin, pin_in_key
from ota.sandbox.element.purse import Purse
from ota.sandbox.element.purse_crypto import Algorithm
from ota.sandbox.element.status import WRONG_DATA, require

_IDENTITY = 0xA002
_KEY_DGIS = {
    0xB0A0: (Algorithm.TDES, KEY_SET_ROLES),
    0xB1A0: (Algorithm.SM4, KEY_SET_ROLES),
    0xB0A5: (Algorithm.TDES, (Role.LOAD_2,)),
    0xB1A5: (Algorithm.SM4, (Role.LOAD_2,)),
}


def build_purse(options: Options) -> Purse:
    """An empty purse of a card of this make."""
    return Purse(Keyring(options.purse_algorithm, options.algorithm_id), Pin(options.pin))


def take_purse_dgi(purse: Purse, dgi: int, content: bytes, decipher: Decipher | None) -> bool:
    """Take a data grouping if it is about the purse, and tell whether it was."""
    if dgi == _IDENTITY:
        require(decipher is None, WRONG_DATA)
        purse.keys.take_identity(content)
        return True
    if dgi not in _KEY_DGIS:
        return False
    algorithm, roles = _KEY_DGIS[dgi]
    purse.keys.take_set(algorithm, roles, content, decipher)
    if Role.PIN in roles:
        delivered = pin_in_key(purse.keys.by_role(Role.PIN, algorithm).value)
        if delivered:
            purse.pin.replace(delivered)
    return True
