"""The commands, as typed."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ota import settings as configuration
from ota import wiring
from ota.cli import main
from ota.cli.openapi import description
from ota.cli.preparation import prepare
from ota.core.clock import SystemClock
from ota.settings import SettingsError
from ota.store.callers import Callers

REPOSITORY = Path(__file__).parent.parent.parent
CONFIG = REPOSITORY / "config"


def ota(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@contextmanager
def callers_of(settings: configuration.Settings) -> Iterator[Callers]:
    store = wiring.open_store(settings)
    yield Callers(store)
    store.close()


def embedded(data: Path) -> configuration.Settings:
    return configuration.load(environ={}, overrides={"data": str(data)})


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["worker"], ["db"], ["check-config"], ["callers"], ["openapi"]]
)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = ota(*command, "--help")

    assert result.exit_code == 0
    assert result.output.startswith("Usage:")
    assert len(result.output.splitlines()) > 5


def test_a_database_is_brought_up_to_date(tmp_path: Path) -> None:
    before = ota("db", "status", "--data", tmp_path)
    upgraded = ota("db", "upgrade", "--data", tmp_path)
    after = ota("db", "status", "--data", tmp_path)

    assert (before.exit_code, upgraded.exit_code, after.exit_code) == (1, 0, 0)
    assert upgraded.output.startswith("database: empty -> 00")


def test_the_shipped_configuration_is_without_mistakes() -> None:
    result = ota("check-config", "--config", CONFIG)

    assert result.exit_code == 0, result.output
    assert result.output.endswith("all is well\n")


def test_every_mistake_is_listed(tmp_path: Path) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    city = tmp_path / "config" / "cities" / "foshan.toml"
    city.write_text(city.read_text().replace("live = true", 'live = "yes"'))

    told = ota("check-config", "--config", tmp_path / "config")
    listed = ota("check-config", "--config", tmp_path / "config", "--json")

    assert (told.exit_code, listed.exit_code) == (1, 1)
    assert "foshan.toml: city.live: expected true or false" in told.output
    assert told.output.endswith("mistakes: 1\n")
    (finding,) = json.loads(listed.output)
    assert finding["key"] == "city.live"


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_token_for_the_metrics_that_is_not_there_is_told_before_a_server_starts(
    tmp_path: Path, command: str
) -> None:
    environ = {"OTA_SERVER_METRICS": "token", "OTA_SERVER_METRICS_TOKEN_FILE": str(tmp_path / "token")}

    result = CliRunner(env=environ).invoke(main, [command, "--data", str(tmp_path / "data")])

    assert result.exit_code == 1
    assert f"server.metrics_token_file: {tmp_path / 'token'}: expected a file with a token" in result.output


@pytest.mark.parametrize("command", ["check-config", "serve"])
@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("OTA_REDIS_URL", "foo", "redis.url"),
        ("OTA_DATABASE_URL", "mysql://a/b", "database.url"),
        ("OTA_DATABASE_URL", "nonsense", "database.url"),
        ("OTA_DATA", "/proc/x", "data"),
        ("OTA_HSM_BACKEND", "pkcs11", "hsm.pkcs11_module"),
    ],
)
def test_what_a_server_would_refuse_is_found_by_check_config_too(
    command: str, variable: str, value: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["ota.cli.serve"], "configure_logging", lambda _level: None)
    environ = {"OTA_DATA": str(tmp_path / "data"), variable: value}

    result = CliRunner(env=environ).invoke(main, [command])

    assert result.exit_code == 1
    assert f"Error: {key}: " in result.output
    assert list(tmp_path.iterdir()) == []


def test_check_config_leaves_nothing_in_the_data_folder_that_it_tries(tmp_path: Path) -> None:
    result = ota("check-config", "--data", tmp_path / "new" / "data")

    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_told_without_a_stack(tmp_path: Path) -> None:
    result = ota("serve", "--environment", "production", "--data", tmp_path)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "tokens.audience" in result.output


def test_a_worker_without_a_queue_says_what_is_missing(tmp_path: Path) -> None:
    result = ota("worker", "--data", tmp_path)

    assert result.exit_code == 1
    assert 'jobs.runner: expected "redis"' in result.output


def test_a_worker_with_a_queue_works(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ota("db", "upgrade", "--data", tmp_path)
    monkeypatch.setenv("OTA_JOBS_RUNNER", "redis")
    monkeypatch.setenv("OTA_REDIS_URL", redis_url)
    # The logs of this process are pytest's; the module's name in its package is its command.
    monkeypatch.setattr(sys.modules["ota.cli.worker"], "configure_logging", lambda _level: None)

    result = ota("worker", "--burst", "--data", tmp_path)

    assert result.exit_code == 0, result.output


def test_a_production_worker_does_not_start_where_a_server_would_not(
    tmp_path: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"database.url": postgres_url, "data": str(tmp_path / "data")}
    prepare(configuration.load(environ={}, overrides=url), SystemClock().now())
    settings = production(tmp_path, **url, **{"redis.url": redis_url})
    monkeypatch.setattr(sys.modules["ota.cli.worker"], "load_settings", lambda **_: settings)
    monkeypatch.setattr(sys.modules["ota.cli.worker"], "configure_logging", lambda _level: None)

    result = ota("worker", "--burst")

    assert result.exit_code == 1
    assert "sandbox-wallet" in result.output
    assert "private keys are published" in result.output


def test_callers_are_registered_and_disabled(tmp_path: Path) -> None:
    ota("db", "upgrade", "--data", tmp_path)
    registered = ota("callers", "register", CONFIG / "sandbox" / "callers.toml", "--data", tmp_path)
    disabled = ota("callers", "disable", "sandbox-wallet", "--data", tmp_path)
    unknown = ota("callers", "disable", "nobody", "--data", tmp_path)

    with callers_of(embedded(tmp_path)) as callers:
        found = callers.find("sandbox-wallet")
    assert "sandbox-terminal-foshan" in registered.output
    assert disabled.output == "disabled: sandbox-wallet\n"
    assert unknown.exit_code == 1
    assert found is not None
    assert found.disabled


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('kty = "EC"', 'kty = "RSA"'), "keys.sandbox-wallet-TEST.kty"),
        (
            ('key = "sandbox-wallet-TEST"', 'key = "other"'),
            "caller[0].key: expected one of sandbox-wallet-TEST",
        ),
        (('city = "6040"', 'city = "604"'), "city: expected a clearing area code"),
        (('kind = "staff"', 'kind = "boss"'), "kind: expected one of"),
        (('wallet = "sandbox-wallet"', 'walet = "x"'), "caller[0].wallet"),
        (('wallet = "sandbox-wallet"', 'wallet = "x"\nchannels = "alipay"'), "caller[0].channels"),
    ],
)
def test_a_wrong_file_of_callers_is_told(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    file = tmp_path / "callers.toml"
    file.write_text((CONFIG / "sandbox" / "callers.toml").read_text().replace(*change))

    result = ota("callers", "register", file, "--data", tmp_path)

    assert result.exit_code == 1
    assert expected in result.output


def production(tmp_path: Path, **overrides: Any) -> configuration.Settings:
    needed = {
        "environment": "production",
        "database.url": "postgresql+psycopg://db/ota",
        "redis.url": "redis://queue",
        "tokens.audience": "https://ota.example",
        "server.behind_tls_proxy": True,
        "server.metrics": "off",
        "hsm.pkcs11_module": "/nowhere.so",
        "hsm.pkcs11_token": "province",
        "hsm.pin_file": "/nowhere.pin",
        "data": str(tmp_path),
    }
    return configuration.load(environ={}, overrides=needed | overrides)


def test_test_keys_cannot_be_registered_in_production(tmp_path: Path) -> None:
    environ = {
        "OTA_ENVIRONMENT": "production",
        "OTA_DATABASE_URL": "postgresql+psycopg://db/ota",
        "OTA_REDIS_URL": "redis://queue",
        "OTA_TOKENS_AUDIENCE": "https://ota.example",
        "OTA_SERVER_BEHIND_TLS_PROXY": "true",
        "OTA_SERVER_METRICS": "off",
        "OTA_HSM_PKCS11_MODULE": "/nowhere.so",
        "OTA_HSM_PKCS11_TOKEN": "province",
        "OTA_HSM_PIN_FILE": "/nowhere.pin",
    }
    command = ["callers", "register", str(CONFIG / "sandbox" / "callers.toml"), "--data", str(tmp_path)]

    result = CliRunner(env=environ).invoke(main, command)

    assert result.exit_code == 1
    assert "sandbox-clerk, sandbox-supervisor, sandbox-terminal-chaozhou" in result.output
    assert "test keys are refused" in result.output


def test_production_binds_callers_that_take_payments_to_their_channels(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "callers.toml"
    published = (CONFIG / "sandbox" / "callers.toml").read_text().replace("test = true\n", "")
    file.write_text(published.replace('wallet = "sandbox-wallet"', 'wallet = "x"\nchannels = ["alipay"]'))
    settings = production(tmp_path, **{"database.url": postgres_url})
    monkeypatch.setattr(sys.modules["ota.cli.callers"], "load_settings", lambda **_: settings)

    result = ota("callers", "register", file, "--data", tmp_path)

    assert result.exit_code == 1
    assert "sandbox-wallet-2" in result.output
    assert "sandbox-clerk" not in result.output
    assert "expected channels = [" in result.output


def test_production_does_not_start_on_a_database_with_published_callers(
    tmp_path: Path, postgres_url: str
) -> None:
    now = SystemClock().now()
    url = {"database.url": postgres_url, "data": str(tmp_path)}
    prepare(configuration.load(environ={}, overrides=url), now)
    settings = production(tmp_path, **url)

    with pytest.raises(SettingsError, match=r"sandbox-wallet, .*private keys are published"):
        prepare(settings, now)

    with callers_of(settings) as callers:
        for name in callers.sandbox_ids():
            callers.disable(name)
        assert callers.sandbox_ids() == []
    with pytest.raises(SettingsError, match=r"card numbers of a sandbox"):  # disabling alone is not enough
        prepare(settings, now)


def test_a_restart_changes_no_caller(tmp_path: Path) -> None:
    settings = embedded(tmp_path)
    prepare(settings, SystemClock().now())
    with callers_of(settings) as callers:
        before = callers.find("sandbox-clerk")

        prepare(settings, SystemClock().now())

        assert before is not None
        assert callers.find("sandbox-clerk") == before


def test_the_checked_in_description_is_the_one_of_this_code(tmp_path: Path) -> None:
    result = ota("openapi", "--output", tmp_path / "openapi.json")

    assert result.exit_code == 0, result.output
    written = (tmp_path / "openapi.json").read_text()
    assert written == (REPOSITORY / "docs" / "openapi.json").read_text(), (
        "run: ota openapi --output docs/openapi.json"
    )
    assert description() == written
