"""One installation, connected: what is there, what is refused, and that two processes are two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from ota import settings as configuration
from ota import wiring
from ota.core.errors import NotFound
from ota.dialogue.service import Sessions
from ota.hsm_adapter.errors import TestKeysInProduction
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.test_keys import provision_test_keys
from ota.issuance.service import Issuances
from ota.registry.service import Cards
from ota.settings import Settings, SettingsError
from ota.terminal.day import TerminalDays
from ota.terminal.service import TerminalLoads
from ota.topup.loads import Loads
from ota.topup.service import Topups
from ota.web.tokens import Tokens
from tests.elements import blank, described
from tests.parties import PARTIES
from tests.platform import (
    CONFIG,
    Platform,
    any_platform,
    make_platform,
    number,
    platform,
    sqlite_url,
)

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]


def settings_of(folder: Path, **overrides: object) -> Settings:
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return configuration.load(config=CONFIG, environ={}, overrides={"data": str(folder)} | dotted)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "data")


@pytest.mark.parametrize(
    "service", [Topups, Loads, Issuances, Sessions, Cards, TerminalLoads, TerminalDays, Tokens]
)
def test_every_service_is_there_once_and_under_its_own_type(platform: Platform, service: type) -> None:
    assert type(platform.service(service)) is service


def test_every_table_of_the_platform_is_declared() -> None:
    declared = set(wiring.metadata().tables)

    assert declared >= {"card", "card_number", "session", "exchange", "issuance_order", "topup_order"}
    assert declared >= {"payment", "load_challenge", "load_attempt", "evidence", "refund", "journal"}


def test_every_declared_table_is_in_the_database(any_platform: Platform) -> None:
    with any_platform.built.store.engine.connect() as connection:
        present = set(sa.inspect(connection).get_table_names())

    assert set(wiring.metadata().tables) <= present


def test_a_new_installation_makes_its_data_folder_for_itself_alone(settings: Settings) -> None:
    store = wiring.open_store(settings)

    store.ping()
    store.close()

    assert settings.data.stat().st_mode & 0o077 == 0


def test_everything_that_readiness_asks_for_answers(any_platform: Platform) -> None:
    for check in any_platform.built.checks.values():
        check()

    assert any_platform.built.checks.keys() == {"database", "hsm"}


def test_every_sweep_runs_on_either_database(
    any_platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    element = blank()
    any_platform.top_up(any_platform.issue(element), element)

    any_platform.built.runner.sweep()

    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_every_job_that_is_staged_has_a_handler(platform: Platform) -> None:
    element = blank()
    platform.top_up(platform.issue(element), element)

    staged = {row[0] for row in platform.rows("SELECT job FROM outbox")}

    assert staged
    assert staged <= platform.built.runner.jobs


def test_two_processes_share_the_database_and_nothing_else(any_platform: Platform) -> None:
    other = any_platform.another_process()
    wallet = PARTIES["wallet"].principal
    made = any_platform.order_topup(number(900).digits)["order_id"]

    seen = other.service(Topups).get(wallet, made)

    assert (seen.id, seen.state) == (made, "paid")
    assert other.built.store is not any_platform.built.store
    with pytest.raises(NotFound):
        other.service(Topups).get(PARTIES["rival"].principal, made)
    other.built.store.close()


def test_a_token_that_is_not_named_completely_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    token = replace(settings, hsm=replace(settings.hsm, backend="pkcs11", pkcs11_module="/nowhere.so"))

    with pytest.raises(SettingsError, match=r"pkcs11_token"):
        wiring.open_hsm(token)


def test_published_keys_are_refused_in_production(settings: Settings) -> None:
    provision_test_keys(KeyStore(settings.data, environment="sandbox"))

    with pytest.raises(TestKeysInProduction):
        wiring.open_hsm(replace(settings, environment="production"))


def test_elements_with_published_keys_are_refused_in_production(platform: Platform) -> None:
    """The issuer domain of a development element has keys that everybody knows."""
    element = blank()
    issuer = {"sd_aid": "A000000151000000"}
    order_id = platform.order_card(element)["order_id"]
    production = Platform(replace(platform.settings, environment="production"), platform.clock)

    here = platform.try_open(order_id, element, se=described(element, **issuer))
    with pytest.raises(TestKeysInProduction):
        production.service(Topups)

    assert here.status_code == 201


def test_sm4_on_a_token_needs_all_of_its_vendors_numbers(settings: Settings) -> None:
    part = replace(settings.hsm, pkcs11_sm4_key_type=1, pkcs11_sm4_ecb_encrypt_data=2)
    whole = replace(part, pkcs11_sm4_cbc=3)

    assert wiring.sm4_mechanisms(replace(settings, hsm=part)) is None
    assert wiring.sm4_mechanisms(replace(settings, hsm=whole)) is not None
