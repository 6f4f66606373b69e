"""The desk at which keys are looked after: the vaults, the administrator's passphrase, and a transcript of each step."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ota import wiring
from ota.card.keys import KeyRole
from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options
from ota.core.clock import Clock, SystemClock
from ota.core.errors import InvalidValue, OtaError
from ota.hsm_adapter.ceremony.transcript import Transcript
from ota.hsm_adapter.ceremony.vault import KeyVault
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.signing import Es256Signer
from ota.hsm_adapter.software.administration import nobody_appointed
from ota.settings import Settings, SettingsError
from ota.store import audit
from ota.store.audit import Entry
from ota.store.migrations import current, newest, upgrade
from ota.store.phases import Store

Command = TypeVar("Command", bound=Callable[..., Any])
SOFTWARE: Final = "software"
DONE: Final = "done"
ABORTED: Final = "aborted"


class KeyDesk:
    """The vaults of one installation.

    Masters are where the settings say, in the software store or on a token. Transport keys are in the software store
    in any case: this process uses them itself. ``looking`` makes no database and no tables.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        passphrase_file: Path | None = None,
        pin_file: Path | None = None,
        older_taken: bool = False,
        looking: bool = False,
    ) -> None:
        self.settings = settings
        self._database = _open_looking(settings) if looking else open_database(settings)
        self.store = wiring.open_key_store(settings, self._database, older_taken=older_taken)
        self.clock: Clock = SystemClock()
        self._passphrase_file = passphrase_file
        self._token = token_keys(settings, pin_file)

    @property
    def token(self) -> TokenKeys | None:
        """The token that holds the masters, or None where the software store does."""
        return self._token

    @property
    def signer(self) -> Es256Signer:
        """The platform's own key, which signs transcripts."""
        return Es256Signer.open(self.settings.data, self.clock)

    def vault(self, ref: KeyRef) -> KeyVault:
        """Where the key of this name belongs."""
        return self.store if self._token is None or ref.role is KeyRole.TRANSPORT else self._token

    def entries(self) -> Sequence[KeyEntry]:
        """Every key of the installation, ordered by name."""
        on_token = self._token.entries() if self._token else ()
        return sorted((*self.store.entries(), *on_token), key=lambda entry: str(entry.ref))

    def unlock(self, ref: KeyRef | None = None, *, needed: bool = True) -> None:
        """Ask for the passphrase, if the key of this name (None: any) is in the software store.

        Raises AdministrationRefused for a wrong one, and unless it is not ``needed``, when there is no administrator.
        """
        if ref is not None and self.vault(ref) is not self.store:
            return  # the token asks for its PIN
        if self.store.administrator:
            self.store.unlock(self._passphrase())
        elif needed:
            raise nobody_appointed()

    @contextmanager
    def recorded(self, kind: str, key: str) -> Iterator[dict[str, object]]:
        """Write a signed transcript of what happens inside, however it ends, and tell the audit trail of it.

        Add to the yielded facts.
        """
        facts: dict[str, object] = {}
        try:
            yield facts
        except OtaError as problem:
            self._write(kind, key, problem.problem_code, facts)
            raise
        except click.Abort:
            self._write(kind, key, ABORTED, facts)
            raise
        self._write(kind, key, DONE, facts)

    def _write(self, kind: str, key: str, outcome: str, facts: dict[str, object]) -> None:
        administrator = self.store.administrator
        facts["administrator"] = administrator.fingerprint if administrator else None
        facts["generation"] = self.store.generation
        transcript = Transcript(kind, key, outcome, self.clock.now(), facts)
        path = transcript.write(self.settings.data, self.signer, self.settings.tokens.audience)
        actor = f"key-administrator:{administrator.fingerprint}" if administrator else audit.PLATFORM
        kept = {"transcript": path.name, "sha256": sha256(path.read_bytes()).hexdigest()}
        data = {"outcome": outcome, **facts, **kept}
        with self._database.begin() as tx:
            audit.append(tx, Entry(audit.KEYS, actor, kind, key, data, self.clock.now()))
        click.echo(f"Transcript / 记录: {path}", err=True)

    def _passphrase(self) -> str:
        if self._passphrase_file:
            return read_passphrase(self._passphrase_file)
        return str(
            click.prompt(
                "Administrator's passphrase (hidden) / 管理员口令 (不回显)", hide_input=True, err=True
            )
        )


def open_database(settings: Settings) -> Store:
    """The installation's database until the command ends: it remembers the key store, and takes the audit trail.

    An empty one gets its tables. Raises SettingsError when it is of another release, Unavailable when it is away.
    """
    store = wiring.open_store(settings)
    click.get_current_context().call_on_close(store.close)
    store.ping()
    found = current(store.engine)
    if found is None:
        upgrade(store.engine)
    elif found != newest():
        raise SettingsError(f"the database is at {found}, expected {newest()}: run `ota db upgrade` first")
    return store


def _open_looking(settings: Settings) -> Store:
    store = open_migrated(settings)
    click.get_current_context().call_on_close(store.close)
    return store


def key_ref(_context: click.Context, _parameter: click.Parameter, value: str) -> KeyRef:
    """A key's name from the command line."""
    try:
        return KeyRef.parse(value)
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from None


_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_PASSPHRASE: Final = click.option(
    "--passphrase-file",
    type=_FILE,
    help="Read the administrator's passphrase from this file (mode 0600) instead of asking.",
)
_PIN: Final = click.option(
    "--pin-file",
    type=_FILE,
    help="With a token: the PIN of who administers it. [default: hsm.pin_file]",
)


def looking_options(command: Command) -> Command:
    """Add the installation's options and the token's PIN."""
    return installation_options(_PIN(command))


def credential_options(command: Command) -> Command:
    """Add those of who may change keys, too."""
    return looking_options(_PASSPHRASE(command))


def read_passphrase(file: Path) -> str:
    """The first line of a file that only its owner may read; raises SettingsError."""
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{file}: expected mode 0600: a passphrase is for nobody else to read")
    return file.read_text(encoding="utf-8").partition("\n")[0]


def token_keys(settings: Settings, pin_file: Path | None) -> TokenKeys | None:
    """The token's keys, by the PIN of who administers them if that is another one than a server's; None without one."""
    if settings.hsm.backend == SOFTWARE:
        return None
    if pin_file:
        settings = replace(settings, hsm=replace(settings.hsm, pin_file=str(pin_file)))
    sm4 = wiring.sm4_mechanisms(settings)
    return TokenKeys(wiring.token_place(settings), environment=settings.environment, sm4=sm4)
