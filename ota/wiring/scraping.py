"""Who may read the metrics of this installation."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

from ota.settings import Settings, SettingsError
from ota.web.scraping import Scraping

_KEY: Final = "server.metrics_token_file"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{32,256}", re.ASCII)  # RFC 6750 2.1, and long enough


def open_scraping(settings: Settings) -> Scraping:
    """The door of /metrics as the settings have it; raises SettingsError for a token's file that is no use."""
    how = settings.server.metrics
    return Scraping(
        token=_token(Path(settings.server.metrics_token_file)) if how == "token" else None,
        is_shut=how == "off",
    )


def _token(file: Path) -> str:
    try:
        mode, content = file.stat().st_mode, file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(
            f"{_KEY}: {file}: expected a file with a token, found {type(problem).__name__}"
        ) from None
    if mode & stat.S_IRWXO:
        raise SettingsError(f"{_KEY}: {file}: others may read it (mode {mode & 0o777:04o}), expected 0600")
    token = content.partition("\n")[0].strip()
    if not _TOKEN.fullmatch(token):
        raise SettingsError(
            f"{_KEY}: {file}: expected 32 to 256 letters, digits or any of -._~+/= in its first line"
        )
    return token
