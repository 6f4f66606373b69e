"""Keys on a PKCS#11 token: they are made, used and kept there, and named here."""

from ota.hsm_adapter.pkcs11.ciphers import Sm4Mechanisms
from ota.hsm_adapter.pkcs11.hsm import Pkcs11Hsm
from ota.hsm_adapter.pkcs11.place import TokenPlace

__all__ = ["Pkcs11Hsm", "Sm4Mechanisms", "TokenPlace"]
