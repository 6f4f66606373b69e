"""Settings in layers, and mistakes that say where they stand and what was expected."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ota.settings import SettingsError, find_config, load

PRODUCTION = {
    "environment": "production",
    "database.url": "postgresql+psycopg://ota@db/ota",
    "redis.url": "rediss://queue",
    "tokens.audience": "https://ota.example",
    "server.behind_tls_proxy": True,
    "server.metrics": "off",
    "hsm.pkcs11_module": "/usr/lib/token.so",
    "hsm.pkcs11_token": "province",
    "hsm.pin_file": "/etc/ota/pin",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text('[server]\nport = 1\nhost = "base"\n[log]\nlevel = "WARNING"\n')
    (tmp_path / "development.toml").write_text("[server]\nport = 2\nworkers = 3\n")
    (tmp_path / "production.toml").write_text('[hsm]\nbackend = "pkcs11"\n[sandbox]\ncredentials = false\n')
    (tmp_path / "sandbox.toml").write_text("")
    return tmp_path


def test_each_layer_wins_over_the_one_below(folder: Path) -> None:
    environ = {"OTA_SERVER_WORKERS": "5", "OTA_SERVER_THREADS": "6", "OTA_TEST_X": "1", "PATH": "/bin"}

    settings = load(config=folder, environ=environ, overrides={"server.threads": 7, "server.port": None})

    server = settings.server
    assert (server.host, server.port, server.workers, server.threads) == ("base", 2, 5, 7)
    assert settings.log.level == "WARNING"
    assert settings.config == folder


def test_the_database_is_sqlite_in_the_data_folder_unless_named(folder: Path) -> None:
    embedded = load(config=folder, environ={"OTA_DATA": "/var/lib/ota"})
    named = load(config=folder, environ={"OTA_DATABASE_URL": "postgresql+psycopg://db/ota"})

    assert embedded.database_url == "sqlite:////var/lib/ota/ota.sqlite3"
    assert named.database_url == "postgresql+psycopg://db/ota"


def test_addresses_with_passwords_are_never_printed(folder: Path) -> None:
    settings = load(config=folder, environ={"OTA_DATABASE_URL": "postgresql+psycopg://u:hunter2@db/ota"})

    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("OTA_SERVER_BEHIND_TLS_PROXY", "true", True),
        ("OTA_SERVER_BEHIND_TLS_PROXY", "false", False),
        ("OTA_DATABASE_WAIT_S", "2", 2.0),
        ("OTA_SERVER_PORT", "81", 81),
    ],
)
def test_a_variable_is_read_as_its_type(folder: Path, variable: str, text: str, value: object) -> None:
    settings = load(config=folder, environ={variable: text})

    section, _, key = variable.removeprefix("OTA_").lower().partition("_")
    assert getattr(getattr(settings, section), key) == value


def test_a_whole_number_may_stand_for_seconds(folder: Path) -> None:
    (folder / "development.toml").write_text("[database]\nwait_s = 3\n")

    assert load(config=folder, environ={}).database.wait_s == 3.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[server]\nprot = 1", r"development\.toml: server\.prot is unknown.*server\.port", id="key"
        ),
        pytest.param(
            "[sever]\nport = 1",
            r"sever\.port is unknown; expected one of audit\.anchor_file, data, ",
            id="section",
        ),
        pytest.param("[server]\nport = 'x'", r"development\.toml: server\.port: expected int", id="type"),
        pytest.param("[server]\nport = true", r"server\.port: expected int", id="boolean for number"),
        pytest.param("[server]\nhost = 1", r"server\.host: expected str", id="number for text"),
        pytest.param("[server]\nbehind_tls_proxy = 'yes'", r"expected bool", id="text for boolean"),
        pytest.param("[log]\nlevel = 'LOUD'", r"log\.level: expected DEBUG or INFO", id="choice"),
        pytest.param("config = '/x'", r"config is unknown", id="the folder itself"),
        pytest.param("[server", r"development\.toml: ", id="no TOML"),
        pytest.param(
            "[jobs]\nrunner = 'redis'", r"redis\.url: expected an address", id="redis without address"
        ),
        pytest.param("[server]\ntls_key = 'k'", r"expected both or neither", id="half of TLS"),
        pytest.param(
            "[server]\nmetrics = 'token'", r"server\.metrics_token_file: expected a file", id="no token"
        ),
        pytest.param("[server]\nwaiting_bodies = 1", r"server\.waiting_bodies: expected 2", id="no place"),
        pytest.param("[server]\nmetrics = 'shut'", r"expected open or token or off", id="unknown door"),
        pytest.param("[hsm]\nstandby_token = 't'", r"standby_pin_file: expected both", id="half a standby"),
        pytest.param(
            "[hsm]\nstandby_token = 't'\nstandby_pin_file = 'p'",
            r"standby_token: expected none, since hsm.backend is software",
            id="a standby of nothing",
        ),
        pytest.param(
            "[hsm]\nkey_administrator = 'Chen'", "key_administrator: expected 64", id="no public key"
        ),
    ],
)
def test_a_mistake_names_file_key_and_what_was_expected(folder: Path, text: str, expected: str) -> None:
    (folder / "development.toml").write_text(text)

    with pytest.raises(SettingsError, match=expected):
        load(config=folder, environ={})


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("OTA_SERVER_PROT", r"; did you mean OTA_SERVER_PORT"),
        ("OTA_HSM_PIN", r"; did you mean OTA_HSM_PIN_FILE"),
        ("OTA_FOO", r"; expected OTA_<SECTION>_<KEY> of a key in config/base\.toml$"),
    ],
)
def test_an_unknown_variable_is_a_mistake_and_its_neighbours_are_named(
    folder: Path, variable: str, told: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^the variable {variable} is unknown{told}"):
        load(config=folder, environ={variable: "1"})


def test_an_unknown_environment_is_a_mistake(folder: Path) -> None:
    with pytest.raises(SettingsError, match="the variable OTA_ENVIRONMENT: environment: expected one of dev"):
        load(config=folder, environ={"OTA_ENVIRONMENT": "staging"})


def test_a_missing_layer_is_a_mistake(folder: Path) -> None:
    (folder / "sandbox.toml").unlink()

    with pytest.raises(SettingsError, match=r"sandbox\.toml: expected this file"):
        load(config=folder, environ={"OTA_ENVIRONMENT": "sandbox"})


def test_production_runs_with_what_it_needs(folder: Path) -> None:
    settings = load(config=folder, environ={}, overrides=PRODUCTION)

    assert settings.environment == "production"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sandbox.credentials": True}, "sandbox.credentials: expected false"),
        ({"database.url": "sqlite:///x"}, "database.url: expected postgresql"),
        ({"database.url": ""}, "database.url: expected postgresql"),
        ({"hsm.backend": "software"}, "hsm.backend: expected pkcs11"),
        ({"tokens.audience": "urn:ota:development"}, "tokens.audience: expected the platform's own https"),
        ({"server.behind_tls_proxy": False}, "server.tls_certificate: expected one"),
        (
            {"server.metrics": "open"},
            "server.metrics: expected token .with server.metrics_token_file. or off",
        ),
        ({"server.metrics": "token"}, "server.metrics_token_file: expected a file"),
        ({"hsm.pkcs11_module": ""}, "hsm.pkcs11_module: expected one, since hsm.backend is pkcs11"),
        ({"hsm.pkcs11_token": ""}, "hsm.pkcs11_token: expected one, since hsm.backend is pkcs11"),
        ({"hsm.pin_file": ""}, "hsm.pin_file: expected one, since hsm.backend is pkcs11"),
    ],
)
def test_production_refuses_what_is_only_for_tests(
    folder: Path, change: dict[str, object], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        load(config=folder, environ={}, overrides=PRODUCTION | change)


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("database.url", "nonsense"),
        ("database.url", "mysql://a/b"),
        ("database.url", "postgresql://a/b"),
        ("database.url", "sqlite://file"),
        ("database.url", "postgresql+psycopg://u:hunter2@db:port/ota"),
        ("redis.url", "foo"),
        ("redis.url", "http://queue"),
        ("redis.url", "redis://:hunter2@queue:port/0"),
        ("redis.url", "queue:6379"),
    ],
)
def test_an_address_that_is_none_is_a_mistake_that_is_not_repeated(
    folder: Path, key: str, address: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{key}: expected (postgresql\+psycopg|redis)://") as refused:
        load(config=folder, environ={}, overrides={key: address})

    assert address not in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("database.url", "sqlite:////var/lib/ota/ota.sqlite3"),
        ("database.url", "sqlite://"),
        ("database.url", "postgresql+psycopg:///ota?host=/run/postgresql"),
        ("database.url", "postgresql+psycopg://u:p%40/ss@[::1]:5432/ota?sslmode=require"),
        ("redis.url", "redis://:pass@queue:6379/0"),
        ("redis.url", "rediss://u:p@[::1]/0"),
        ("redis.url", "redis://localhost?db=1"),
        ("redis.url", "unix:///run/valkey.sock?db=1"),
    ],
)
def test_every_kind_of_address_is_taken(folder: Path, key: str, address: str) -> None:
    settings = load(config=folder, environ={}, overrides={key: address})

    section = key.partition(".")[0]
    assert getattr(settings, section).url == address


def test_production_names_everything_at_once(folder: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(config=folder, environ={"OTA_ENVIRONMENT": "production"})

    assert str(refused.value).count("\n") == 6


def test_the_folder_is_found_in_its_places(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    beside_the_package = find_config(None, {})
    (elsewhere / "config").mkdir()
    (elsewhere / "config" / "base.toml").write_text("")

    assert find_config(folder, {}) == folder
    assert find_config(None, {"OTA_CONFIG": str(folder)}) == folder
    assert find_config(None, {}) == elsewhere / "config"
    assert (beside_the_package / "base.toml").is_file()


def test_a_folder_without_base_toml_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected a folder with base.toml"):
        find_config(tmp_path, {})


def test_an_installed_package_finds_its_share(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = folder / "empty"
    share = folder / "prefix" / "share" / "ota" / "config"
    for path in (empty, share):
        path.mkdir(parents=True)
    monkeypatch.chdir(empty)
    monkeypatch.setattr("ota.settings.__file__", str(empty / "site" / "ota" / "settings" / "__init__.py"))
    monkeypatch.setattr(sys, "prefix", str(folder / "prefix"))

    with pytest.raises(SettingsError, match=r"no base.toml in any of"):
        find_config(None, {})
    (share / "base.toml").write_text("")
    assert find_config(None, {}) == share


@pytest.mark.parametrize("environment", ["development", "sandbox"])
def test_the_files_that_are_shipped_load(environment: str) -> None:
    settings = load(environ={"OTA_ENVIRONMENT": environment})

    assert settings.environment == environment
    assert settings.sandbox.credentials


def test_the_production_file_leaves_only_what_has_no_safe_default() -> None:
    with pytest.raises(SettingsError) as refused:
        load(environ={"OTA_ENVIRONMENT": "production"})

    keys = {line.partition(":")[0] for line in str(refused.value).splitlines()}
    assert keys == {
        "redis.url",
        "database.url",
        "tokens.audience",
        "server.tls_certificate",
        "server.metrics_token_file",
        "hsm.pkcs11_module",
        "hsm.pkcs11_token",
        "hsm.pin_file",
    }
