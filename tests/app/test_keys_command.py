"""``ota keys`` as officers and administrators use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from psec import tr31

from ota.cli import main
from ota.cli.preparation import prepare
from ota.core.clock import SystemClock
from ota.core.ids import new_id
from ota.hsm_adapter.ceremony import ceremony as ceremonies
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.store import STORE_FILE
from ota.settings import load
from ota.store.audit import audit
from ota.store.engine import open_engine
from ota.store.phases import Store
from tests.tokens import Token

PASSPHRASE = "seven horses graze at dusk"
FIRST = "8A3C5D1F90B7E2466BD10E94F7A2C358"
SECOND = "17E4C09B3D528F6AA1B64D02E95F7C83"
THIRD = "C2957B301EFA46D8590F8AE37D1462B4"
LOAD = "province/load/2/3DES"
TRANSPORT = "foshan/transport/1/AES-128"
TWO = ("--officer", "Chen", "--officer", "Liang")


class Installation:
    """A data folder and the commands on it."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.options = options
        self.passphrase = data.parent / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.passphrase.chmod(0o600)

    def keys(self, *arguments: object, input: str | None = None) -> Result:  # noqa: A002  click's own word
        texts = [str(argument) for argument in arguments]
        return CliRunner().invoke(
            main, ["keys", *texts, "--data", str(self.data), *self.options], input=input
        )

    def appoint(self) -> Result:
        return self.keys("appoint", "--new-passphrase-file", self.passphrase)

    def administer(self, *arguments: object, input: str | None = None) -> Result:  # noqa: A002
        return self.keys(*arguments, "--passphrase-file", self.passphrase, input=input)

    def hold(self, key: str, *options: str, components: tuple[str, ...] = (FIRST, SECOND)) -> Result:
        """A ceremony in which everybody agrees."""
        typed = "".join(f"{component}\ny\n" for component in components) + "y\n"
        return self.administer("import", key, *TWO, *options, input=typed)

    def catalogue(self) -> Any:
        result = self.keys("list", "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def entry(self, key: str) -> Any:
        return next(entry for entry in self.catalogue()["keys"] if entry["name"] == key)

    @contextmanager
    def database(self) -> Iterator[Store]:
        store = Store(open_engine(f"sqlite:///{self.data / 'ota.sqlite3'}"))
        try:
            yield store
        finally:
            store.close()

    def audit(self) -> Sequence[sa.Row[Any]]:
        """The audit trail of keys."""
        with self.database() as store, store.read() as tx:
            return tx.execute(sa.select(audit).order_by(audit.c.position)).all()

    def transcripts(self) -> list[Any]:
        found = []
        for path in sorted((self.data / "ceremonies").iterdir()):
            checked = self.keys("transcript", path)
            assert checked.exit_code == 0, checked.output
            found.append(json.loads(checked.stdout))
        return found


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation whose keys have an administrator."""
    found = Installation(tmp_path / "data")
    assert found.appoint().exit_code == 0
    return found


def test_two_officers_import_a_key(installation: Installation) -> None:
    result = installation.hold(LOAD)

    assert result.exit_code == 0, result.output
    entry = installation.entry(LOAD)
    assert (entry["state"], entry["test"], entry["exportable"]) == ("pre-active", False, False)
    assert f"Stored / 已存入: {LOAD}, pre-active, KCV {entry['kcv']}" in result.output


def test_check_values_are_shown_and_components_are_not(installation: Installation) -> None:
    result = installation.hold(LOAD)

    assert "1/2 Chen: KCV C3C343" in result.output
    assert "2/2 Liang: KCV 45F01E" in result.output
    assert "KCV of the key / 密钥校验值: 0848F7" in result.output
    assert not any(part in result.output.upper() for part in (FIRST[:16], SECOND[:16], FIRST[16:]))


def test_three_officers_import_a_key(installation: Installation) -> None:
    typed = "".join(f"{component}\ny\n" for component in (FIRST, SECOND, THIRD)) + "y\n"

    result = installation.administer("import", LOAD, *TWO, "--officer", "Huang", input=typed)

    assert result.exit_code == 0, result.output
    assert "3/3 Huang: KCV" in result.output


def test_the_transcript_tells_the_whole_ceremony(installation: Installation) -> None:
    installation.hold(LOAD)

    told = installation.transcripts()[-1]

    assert (told["kind"], told["key"], told["outcome"]) == ("import_by_components", LOAD, "done")
    assert told["officers"] == ["Chen", "Liang"]
    assert [each["kcv"] for each in told["components"]] == ["C3C343", "45F01E"]
    assert told["kcv"] == "0848F7"
    assert told["administrator"] == installation.catalogue()["administrator"]


def test_an_altered_transcript_is_refused(installation: Installation, tmp_path: Path) -> None:
    path = next((installation.data / "ceremonies").iterdir())
    altered = tmp_path / "altered.jws"
    altered.write_text(path.read_text().replace(".", ".A", 1))

    result = installation.keys("transcript", altered)

    assert result.exit_code == 1


def test_a_slip_is_told_and_the_officer_tries_again(installation: Installation) -> None:
    typed = f"{FIRST[:-1]}\n{THIRD}\nn\n{FIRST}\ny\n{FIRST}\n{SECOND}\ny\ny\n"

    result = installation.administer("import", LOAD, *TWO, input=typed)

    assert result.exit_code == 0, result.output
    assert "32 hexadecimal digits" in result.output
    assert "32 位十六进制" in result.output
    assert "equals an earlier one" in result.output
    assert installation.entry(LOAD)["kcv"] == "0848F7"


def test_after_three_slips_the_ceremony_ends_and_is_on_record(installation: Installation) -> None:
    result = installation.administer("import", LOAD, *TWO, input="00\n01\n02\n")

    assert result.exit_code == 1
    assert installation.catalogue()["keys"] == []
    assert installation.transcripts()[-1]["outcome"] == "ceremony_refused"


def test_officers_who_do_not_agree_at_the_end_store_nothing(installation: Installation) -> None:
    result = installation.administer("import", LOAD, *TWO, input=f"{FIRST}\ny\n{SECOND}\ny\nn\n")

    assert result.exit_code == 1
    assert installation.catalogue()["keys"] == []
    told = installation.transcripts()[-1]
    assert (told["outcome"], len(told["components"])) == ("aborted", 2)


@pytest.mark.parametrize(("expected", "code"), [("0848f7", 0), ("0848F8", 1)])
def test_the_check_value_of_a_sheet_decides(installation: Installation, expected: str, code: int) -> None:
    result = installation.hold(LOAD, "--expect-kcv", expected)

    assert result.exit_code == code, result.output
    assert bool(installation.catalogue()["keys"]) == (code == 0)


@pytest.mark.parametrize(
    ("key", "components", "why"),
    [
        pytest.param(LOAD, (FIRST, FIRST), "equals an earlier one", id="equal components"),
        pytest.param(LOAD, ("00" * 16, SECOND), "weak", id="weak component"),
        pytest.param(LOAD, (FIRST, FIRST[16:] + FIRST[:16]), "equal halves", id="K1 = K2"),
        pytest.param(
            LOAD,
            (FIRST, f"{int(FIRST, 16) ^ 0x404142434445464748494A4B4C4D4E4F:032X}"),
            "published",
            id="published",
        ),
    ],
)
def test_what_is_no_secret_does_not_come_in(
    installation: Installation, key: str, components: tuple[str, ...], why: str
) -> None:
    result = installation.hold(key, components=(*components, *(components[1:] * 2)))

    assert result.exit_code == 1
    assert why in result.output
    assert installation.catalogue()["keys"] == []


@pytest.mark.parametrize("officers", [("Chen",), ("Chen", "CHEN"), ("A", "B", "C", "D")])
def test_too_few_too_many_or_the_same_officers_hold_no_ceremony(
    installation: Installation, officers: tuple[str, ...]
) -> None:
    named = [part for officer in officers for part in ("--officer", officer)]

    result = installation.administer("import", LOAD, *named, input=f"{FIRST}\n")

    assert result.exit_code == 1
    assert "officers" in result.output


def test_the_time_limit_ends_a_ceremony(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ceremonies.ComponentCeremony.give

    def slowly(self: ceremonies.ComponentCeremony, text: str) -> object:
        answer = given(self, text)
        self._limit = timedelta(seconds=-1)
        return answer

    monkeypatch.setattr(ceremonies.ComponentCeremony, "give", slowly)

    result = installation.hold(LOAD)

    assert result.exit_code == 1
    assert "time limit" in result.output
    assert installation.transcripts()[-1]["outcome"] == "ceremony_expired"


def test_without_an_administrator_no_secret_comes_in(tmp_path: Path) -> None:
    found = Installation(tmp_path / "data")

    result = found.hold(LOAD)

    assert result.exit_code == 1
    assert "ota keys appoint" in result.output


def test_a_wrong_passphrase_changes_nothing_and_is_on_record(installation: Installation) -> None:
    installation.passphrase.write_text("another passphrase\n")

    result = installation.hold(LOAD)

    assert result.exit_code == 1
    assert "passphrase is wrong" in result.output
    assert installation.transcripts()[-1]["outcome"] == "administration_refused"


def test_the_passphrase_is_asked_for_unseen(installation: Installation) -> None:
    result = installation.keys("provision-test", input=PASSPHRASE + "\n")

    assert result.exit_code == 0, result.output
    assert PASSPHRASE not in result.output


def test_a_passphrase_that_others_may_read_is_not_used(installation: Installation) -> None:
    installation.passphrase.chmod(0o640)

    result = installation.hold(LOAD)

    assert result.exit_code == 1
    assert "0600" in result.output


def test_a_successor_is_appointed_with_the_old_passphrase(installation: Installation) -> None:
    before = installation.catalogue()["administrator"]

    result = installation.keys(
        "appoint", input=f"{PASSPHRASE}\na passphrase of the successor\na passphrase of the successor\n"
    )

    assert result.exit_code == 0, result.output
    assert installation.catalogue()["administrator"] != before
    assert installation.hold(LOAD).exit_code == 1


def test_a_key_is_moved_on_and_never_back(installation: Installation) -> None:
    installation.hold(LOAD)

    moved = [
        installation.administer("state", LOAD, state).exit_code
        for state in ("active", "verify-only", "active")
    ]

    assert moved == [0, 0, 1]
    assert installation.entry(LOAD)["state"] == "verify-only"
    outcomes = [(told.get("wanted"), told["outcome"]) for told in installation.transcripts()[-3:]]
    assert outcomes == [("active", "done"), ("verify-only", "done"), ("active", "key_not_usable")]


@pytest.mark.parametrize(("answer", "state"), [("y", "retired"), ("n", "active")])
def test_retiring_a_key_in_use_is_asked_about(tmp_path: Path, answer: str, state: str) -> None:
    found = Installation(tmp_path / "data")
    found.keys("provision-test")

    result = found.keys("state", "province/load/1/3DES", "retired", input=answer + "\n")

    assert "21 cities" in result.output
    assert found.entry("province/load/1/3DES")["state"] == state


def test_the_list_tells_who_uses_what_and_what_is_missing(tmp_path: Path) -> None:
    found = Installation(tmp_path / "data")
    empty = found.catalogue()
    found.keys("provision-test")
    full = found.catalogue()

    assert empty["keys"] == full["missing"] == []
    assert {key["name"] for key in empty["missing"]} == {key["name"] for key in full["keys"]}
    load = found.entry("province/load/1/3DES")
    assert (load["role"], load["issuer"], load["version"], load["algorithm"]) == (
        "load",
        "province",
        1,
        "3DES",
    )
    assert (len(load["used_by"]["cities"]), load["used_by"]["security_domains"]) == (21, [])
    assert found.entry("platform/sd_mac/48/AES-128")["used_by"] == {
        "cities": [],
        "security_domains": ["platform"],
    }
    assert all(key["test"] for key in full["keys"])


def test_the_list_for_people_shows_the_same(tmp_path: Path) -> None:
    found = Installation(tmp_path / "data")
    missing = found.keys("list").output
    found.keys("provision-test")

    result = found.keys("list")

    assert "missing" in missing
    assert "province/load/1/3DES" in result.output
    assert "21 cities" in result.output


def test_test_keys_are_refused_in_production(tmp_path: Path) -> None:
    production = Installation(tmp_path / "data", "--environment", "production")

    result = production.keys("provision-test")

    assert result.exit_code == 1


def test_a_restart_with_an_administrator_adds_no_test_keys(installation: Installation) -> None:
    prepare(load(environ={}, overrides={"data": str(installation.data)}), SystemClock().now())

    assert installation.catalogue()["keys"] == []


def with_transport(installation: Installation) -> None:
    assert installation.hold(TRANSPORT, "--state", "active", components=(SECOND, THIRD)).exit_code == 0


def test_a_key_travels_in_a_block(installation: Installation, tmp_path: Path) -> None:
    block = tmp_path / "block.txt"
    (tmp_path / "partner").mkdir()
    partner = Installation(tmp_path / "partner" / "data")
    partner.appoint()
    for side in (installation, partner):
        with_transport(side)
    installation.hold(LOAD, "--exportable", "--state", "active")

    sent = installation.administer("export-block", LOAD, "--under", TRANSPORT, "--out", block)
    taken = partner.administer("import-block", LOAD, block, "--under", TRANSPORT)

    assert (sent.exit_code, taken.exit_code) == (0, 0), sent.output + taken.output
    assert partner.entry(LOAD)["kcv"] == installation.entry(LOAD)["kcv"]
    assert installation.transcripts()[-1]["kind"] == "export_block"
    assert partner.transcripts()[-1]["under"] == TRANSPORT


def test_a_block_of_another_maker_is_read_from_standard_input(installation: Installation) -> None:
    with_transport(installation)
    transport = bytes(a ^ b for a, b in zip(bytes.fromhex(SECOND), bytes.fromhex(THIRD), strict=True))
    header = tr31.Header("D", "E0", "T", "X", "02", "N")
    block = tr31.wrap(transport, header, bytes.fromhex(FIRST))

    result = installation.administer("import-block", LOAD, "-", "--under", TRANSPORT, input=block + "\n")

    assert result.exit_code == 0, result.output
    assert installation.entry(LOAD)["exportable"] is False


def test_a_key_that_must_stay_is_not_exported(installation: Installation) -> None:
    with_transport(installation)
    installation.hold(LOAD)

    result = installation.administer("export-block", LOAD, "--under", TRANSPORT)

    assert result.exit_code == 1
    assert "may not leave" in result.output


def test_a_block_is_printed_where_no_file_is_named(installation: Installation) -> None:
    with_transport(installation)
    installation.hold(LOAD, "--exportable")

    result = installation.administer("export-block", LOAD, "--under", TRANSPORT, "--exportability", "E")

    assert result.stdout.startswith("D0144E0TX02E0200LB18province/load/2/3DES")


@pytest.mark.parametrize(
    "name", ["", "province/load/2", "province/load/x/3DES", "province/load/2/DES", "a/b/1/SM4"]
)
def test_a_name_that_is_none_is_refused(installation: Installation, name: str) -> None:
    result = installation.administer("state", name, "active")

    assert result.exit_code == 2
    assert "expected" in result.output


def test_a_damaged_store_is_told_plainly(installation: Installation) -> None:
    path = installation.data / STORE_FILE
    path.write_bytes(path.read_bytes()[:-3])

    result = installation.keys("list")

    assert result.exit_code == 1
    assert "key store is not intact" in result.output
    with pytest.raises(KeyStoreDamaged):
        KeyStore(installation.data, environment="sandbox")


@pytest.mark.parametrize(
    "command",
    [
        *("list", "appoint", "import", "import-block", "export-block", "state", "provision-test"),
        *("reinstate", "transcript"),
    ],
)
def test_every_command_teaches(command: str) -> None:
    result = CliRunner().invoke(main, ["keys", command, "--help"])

    assert result.exit_code == 0
    assert len(result.output) > 400


def test_an_older_folder_is_refused_until_its_administrator_reinstates_it(
    installation: Installation, tmp_path: Path
) -> None:
    installation.hold(LOAD)
    backup = shutil.copytree(
        installation.data, tmp_path / "backup", ignore=shutil.ignore_patterns("ota.sqlite3*")
    )
    installation.administer("state", LOAD, "active")
    for name in ("kek", "keys", "generation"):
        shutil.copy(backup / name, installation.data / name)

    refused = installation.keys("list")
    regretted = installation.administer("reinstate", input="n\n")
    reinstated = installation.administer("reinstate", input="y\n")

    assert (refused.exit_code, regretted.exit_code, reinstated.exit_code) == (1, 1, 0)
    assert "rolled back to generation 2, 3 is the last known" in refused.output
    assert "2 -> 4" in reinstated.output
    assert installation.entry(LOAD)["state"] == "pre-active"


def test_what_the_administrator_does_stands_in_the_audit_trail(installation: Installation) -> None:
    installation.hold(LOAD)
    installation.administer("state", LOAD, "active")

    rows = installation.audit()

    assert [(row.action, row.subject_id, row.data["outcome"]) for row in rows] == [
        ("appoint", "-", "done"),
        ("import_by_components", LOAD, "done"),
        ("change_state", LOAD, "done"),
    ]
    assert {row.actor for row in rows} == {f"key-administrator:{installation.catalogue()['administrator']}"}
    transcript = installation.data / "ceremonies" / rows[1].data["transcript"]
    assert rows[1].data["sha256"] == sha256(transcript.read_bytes()).hexdigest()


def test_the_named_administrator_is_the_only_one(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = installation.catalogue()["administrator_key"]
    monkeypatch.setenv("OTA_HSM_KEY_ADMINISTRATOR", mine)
    taken = installation.keys("list")
    monkeypatch.setenv("OTA_HSM_KEY_ADMINISTRATOR", "5A" * 32)

    refused = installation.keys("list")

    assert (taken.exit_code, refused.exit_code) == (0, 1)
    assert f'hsm.key_administrator = "{mine}"' in taken.output
    assert "or a successor is expected" in refused.output


def test_a_database_of_another_release_is_not_written_to(installation: Installation) -> None:
    with installation.database() as store, store.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")

    result = installation.keys("list")

    assert result.exit_code == 1
    assert "ota db upgrade" in result.output


def test_without_the_database_no_key_is_administered(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTA_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")

    result = installation.keys("list")

    assert result.exit_code == 1
    assert "correct OTA_DATABASE_URL" in result.output


@pytest.fixture
def on_token(tmp_path: Path, pkcs11_token: Token, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation whose masters are on a PKCS#11 token."""
    pin = tmp_path / "pin"
    pin.write_text(pkcs11_token.user_pin)
    pin.chmod(0o600)
    monkeypatch.setenv("OTA_HSM_BACKEND", "pkcs11")
    monkeypatch.setenv("OTA_HSM_PKCS11_MODULE", pkcs11_token.module)
    monkeypatch.setenv("OTA_HSM_PKCS11_TOKEN", pkcs11_token.label)
    monkeypatch.setenv("OTA_HSM_PIN_FILE", str(pin))
    found = Installation(tmp_path / "data")
    assert found.keys("appoint", "--new-passphrase-file", found.passphrase).exit_code == 0
    return found


def fresh_name() -> str:
    """A key that no other test of this process put on the token."""
    return f"{new_id('t').replace('_', '-')}/load/7/3DES"


def test_a_ceremony_fills_a_token(
    on_token: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = fresh_name()

    administration = tmp_path / "pin"
    monkeypatch.setenv("OTA_HSM_PIN_FILE", str(tmp_path / "a server's pin"))

    stored = on_token.hold(key, "--pin-file", str(administration))
    monkeypatch.setenv("OTA_HSM_PIN_FILE", str(administration))
    moved = on_token.keys("state", key, "active")

    assert (stored.exit_code, moved.exit_code) == (0, 0), stored.output + moved.output
    entry = on_token.entry(key)
    assert (entry["kcv"], entry["state"], entry["test"]) == ("0848F7", "active", False)
    assert KeyStore(on_token.data, environment="sandbox").entries() == []


def test_a_block_fills_a_token_and_none_comes_out(on_token: Installation) -> None:
    with_transport(on_token)
    key = fresh_name()
    transport = bytes(a ^ b for a, b in zip(bytes.fromhex(SECOND), bytes.fromhex(THIRD), strict=True))
    block = tr31.wrap(transport, tr31.Header("D", "E0", "T", "X", "07", "E"), bytes.fromhex(FIRST))

    taken = on_token.keys("import-block", key, "-", "--under", TRANSPORT, input=block)
    sent = on_token.administer("export-block", key, "--under", TRANSPORT)

    assert taken.exit_code == 0, taken.output
    assert sent.exit_code == 1
    assert "token's own tools" in sent.output


def test_what_is_no_secret_does_not_come_onto_a_token(on_token: Installation) -> None:
    result = on_token.hold(fresh_name(), components=(FIRST, FIRST[16:] + FIRST[:16]))

    assert result.exit_code == 1
    assert "equal halves" in result.output


def test_test_keys_are_provisioned_on_a_token(on_token: Installation) -> None:
    first, again = on_token.keys("provision-test"), on_token.keys("provision-test")

    assert first.exit_code == 0, first.output
    assert "0 test keys added" in again.output
    assert on_token.entry("province/load/1/3DES")["test"]


@pytest.fixture
def production(
    tmp_path: Path, on_token: Installation, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    """An installation with every setting that production wants; its token is not opened by these tests."""
    for name, value in {
        "DATABASE_URL": postgres_url,
        "REDIS_URL": "redis://localhost",
        "TOKENS_AUDIENCE": "https://ota.example",
        "SERVER_BEHIND_TLS_PROXY": "true",
        "SERVER_METRICS": "off",
    }.items():
        monkeypatch.setenv(f"OTA_{name}", value)
    (tmp_path / "production").mkdir()
    found = Installation(tmp_path / "production" / "data", *on_token.options, "--environment", "production")
    assert found.appoint().exit_code == 0
    return found


def test_a_production_ceremony_takes_secrets_and_no_test_keys(production: Installation) -> None:
    secret = production.hold(TRANSPORT, components=(SECOND, THIRD))
    marked = production.hold("foshan/transport/2/AES-128", "--test", components=(SECOND, THIRD))
    published = production.keys("provision-test")

    assert secret.exit_code == 0, secret.output
    assert (marked.exit_code, published.exit_code) == (1, 1)
    assert "test keys" in marked.output
    assert "component" not in marked.output, "refused before anybody types anything"
    assert [told["outcome"] for told in production.transcripts()[-2:]] == ["test_keys_in_production"] * 2
