"""The embedded default: keys sealed in a file, cryptography in this process."""

from ota.hsm_adapter.software.epurse import EPurseRules, Sm4SessionRule
from ota.hsm_adapter.software.hsm import SoftwareHsm
from ota.hsm_adapter.software.store import KeyStore

__all__ = ["EPurseRules", "KeyStore", "Sm4SessionRule", "SoftwareHsm"]
