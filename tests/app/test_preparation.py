"""What is made sure of before the processes of an installation start."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ota import wiring
from ota.cities.loader import load_cities
from ota.cli.preparation import is_made_up, prepare, require_prepared
from ota.core.principal import CallerKind
from ota.settings import Settings, SettingsError, load
from ota.store.callers import Caller, Callers
from ota.store.migrations import current

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(environ={}, overrides={"data": str(tmp_path / "data")})


def test_the_data_folder_is_made_for_its_owner_only(settings: Settings) -> None:
    prepare(settings, NOW)

    assert oct(settings.data.stat().st_mode & 0o777) == "0o700"


def test_production_refuses_a_data_folder_that_others_may_enter(settings: Settings) -> None:
    settings.data.mkdir()
    settings.data.chmod(0o755)

    with pytest.raises(SettingsError, match=r"mode 0755, expected 0700"):
        prepare(replace(settings, environment="production"), NOW)

    assert list(settings.data.iterdir()) == []


def test_elsewhere_such_a_folder_is_worth_a_warning(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.data.mkdir()
    settings.data.chmod(0o750)

    prepare(settings, NOW)

    assert "mode 0750, expected 0700" in caplog.text


def production(settings: Settings) -> Settings:
    """What `prepare` sees of a production installation; its database stays SQLite."""
    return replace(settings, environment="production", sandbox=replace(settings.sandbox, credentials=False))


def test_production_refuses_the_card_numbers_of_a_sandbox(settings: Settings) -> None:
    prepare(replace(settings, sandbox=replace(settings.sandbox, credentials=True)), NOW)
    store = wiring.open_store(settings)
    for caller_id in Callers(store).sandbox_ids():
        Callers(store).disable(caller_id)
    store.close()

    with pytest.raises(SettingsError, match=r"card numbers of a sandbox .*guangzhou.* a database of its own"):
        prepare(production(settings), NOW)
    with pytest.raises(SettingsError, match=r"card numbers of a sandbox"):
        require_prepared(production(settings), NOW)


def test_production_refuses_callers_that_may_claim_any_trade(settings: Settings) -> None:
    prepare(production(settings), NOW)
    store = wiring.open_store(settings)
    callers = Callers(store)
    callers.register(Caller("old-wallet", CallerKind.WALLET, {}), NOW)
    callers.register(Caller("bound-wallet", CallerKind.WALLET, {}, channels=("alipay",)), NOW)
    callers.register(Caller("clerk", CallerKind.STAFF, {}), NOW)

    with pytest.raises(SettingsError, match=r"knows old-wallet without payment channels"):
        prepare(production(settings), NOW)
    with pytest.raises(SettingsError, match=r"knows old-wallet without payment channels"):
        require_prepared(production(settings), NOW)
    callers.disable("old-wallet")
    store.close()

    prepare(production(settings), NOW)
    require_prepared(production(settings), NOW)


def test_what_only_looks_migrates_nothing(settings: Settings) -> None:
    settings.data.mkdir(0o700)

    with pytest.raises(SettingsError, match=r"no database at .*: run `ota serve` or `ota db upgrade`"):
        require_prepared(settings, NOW)

    store = wiring.open_store(settings)
    assert current(store.engine) is None
    store.close()


def test_what_only_looks_refuses_an_open_folder_and_a_wrong_file_too(
    settings: Settings, tmp_path: Path
) -> None:
    prepare(settings, NOW)
    shutil.copytree(settings.config, config := tmp_path / "config")
    city = config / "cities" / "foshan.toml"
    city.write_text(city.read_text().replace("live = true", 'live = "yes"'))

    with pytest.raises(SettingsError, match=r"foshan\.toml: city\.live"):
        require_prepared(replace(settings, config=config), NOW)
    settings.data.chmod(0o755)
    with pytest.raises(SettingsError, match=r"mode 0755, expected 0700"):
        require_prepared(production(settings), NOW)


@pytest.mark.parametrize(
    ("serial", "made_up"),
    [(8_999_999_999, False), (9_000_000_000, True), (9_000_000_199, True), (9_000_000_200, False)],
)
def test_the_numbers_of_a_sandbox_are_told_from_real_ones(
    settings: Settings, serial: int, *, made_up: bool
) -> None:
    guangzhou = load_cities(settings.config / "cities").by_name("guangzhou")

    found = is_made_up(guangzhou, guangzhou.number(serial))

    assert found is made_up
