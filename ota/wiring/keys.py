"""Opens what holds keys: the HSM that the settings name, its key store, the signing key, the second factors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ota.card.keys import KeyRole
from ota.cities.loader import load_cities
from ota.core.clock import Clock, SystemClock
from ota.hsm_adapter.failover import FailoverHsm
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.one_time_codes import OneTimeCodes
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, Sm4Mechanisms, TokenPlace
from ota.hsm_adapter.pkcs11.softhsm import use_folder_of
from ota.hsm_adapter.ports import Exposure, Hsm
from ota.hsm_adapter.signing import Es256Signer
from ota.hsm_adapter.software import EPurseRules, KeyStore, Sm4SessionRule, SoftwareHsm
from ota.hsm_adapter.software.witness import StoreWitness
from ota.settings import Settings, SettingsError
from ota.store.key_witness import DatabaseWitness
from ota.store.phases import Store
from ota.web.ports import Signer


def open_signer(settings: Settings, clock: Clock) -> Signer:
    """The platform's signing key, in the data folder."""
    return Es256Signer.open(settings.data, clock)


def open_codes(settings: Settings) -> OneTimeCodes:
    """The second factors, sealed under the data folder's key-encryption key."""
    return OneTimeCodes.open(settings.data)


def open_hsm(settings: Settings, witness: StoreWitness | None = None) -> Hsm:
    """The HSM that the settings name; ``witness`` remembers the software HSM's key store."""
    exposure = maximum_exposure(settings)
    if settings.hsm.backend == "software":
        return SoftwareHsm.open(
            settings.data,
            environment=settings.environment,
            rules=purse_rules(settings),
            maximum_exposure=exposure,
            administrator=key_administrator(settings),
            witness=witness,
        )
    open_token = partial(
        Pkcs11Hsm.open,
        environment=settings.environment,
        rules=purse_rules(settings),
        maximum_exposure=exposure,
        sm4=sm4_mechanisms(settings),
    )
    place = token_place(settings)
    if not settings.hsm.standby_token:
        return open_token(place)
    standby = TokenPlace(place.module, settings.hsm.standby_token, Path(settings.hsm.standby_pin_file))
    openers = {each.label: partial(open_token, each) for each in (place, standby)}
    return FailoverHsm(openers, _keys_in_use(settings))


def open_key_store(settings: Settings, store: Store, *, older_taken: bool = False) -> KeyStore:
    """The key store of the data folder, held to what the settings and the database know of it; see `KeyStore`."""
    return KeyStore(
        settings.data,
        environment=settings.environment,
        administrator=key_administrator(settings),
        witness=DatabaseWitness(store, SystemClock()),
        older_taken=older_taken,
    )


def key_administrator(settings: Settings) -> bytes | None:
    """The public key of who alone may change the key store, where the settings name one."""
    return bytes.fromhex(settings.hsm.key_administrator) or None


def _keys_in_use(settings: Settings) -> Sequence[KeyRef]:
    """The keys of loads that the cities name: what two HSMs must both hold."""
    roles = (KeyRole.LOAD, KeyRole.TAC)
    cities = load_cities(settings.config / "cities")
    names = {
        KeyRef(role, city.keys.issuer, city.key_version(role, algorithm, generation.load), algorithm)
        for city in cities
        for algorithm, generations in city.keys.versions.items()
        for generation in generations
        for role in roles
    }
    return sorted(names, key=str)


def token_place(settings: Settings) -> TokenPlace:
    """The PKCS#11 token that the settings name; a SoftHSM token of the data folder is found there."""
    hsm = settings.hsm
    if not (hsm.pkcs11_module and hsm.pkcs11_token and hsm.pin_file):
        raise SettingsError(
            "hsm.backend is pkcs11: expected hsm.pkcs11_module, hsm.pkcs11_token, hsm.pin_file"
        )
    use_folder_of(settings.data)
    return TokenPlace(Path(hsm.pkcs11_module), hsm.pkcs11_token, Path(hsm.pin_file))


def sm4_mechanisms(settings: Settings) -> Sm4Mechanisms | None:
    """A vendor's numbers for SM4, where they are given."""
    hsm = settings.hsm
    numbers = (hsm.pkcs11_sm4_key_type, hsm.pkcs11_sm4_ecb_encrypt_data, hsm.pkcs11_sm4_cbc)
    return Sm4Mechanisms(*numbers) if all(numbers) else None


def purse_rules(settings: Settings) -> EPurseRules:
    """What is not certain about SM4 purses, as this installation has it."""
    return EPurseRules(Sm4SessionRule(settings.hsm.sm4_session), settings.hsm.sm4_tac_xor)


def maximum_exposure(settings: Settings) -> Exposure:
    """How much of a card key this deployment lets out of its HSM."""
    return Exposure[settings.hsm.maximum_exposure.upper()]
