"""The record of a ceremony: who did what to which key and when, in names and check values, signed by the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ota.core.ids import new_id
from ota.hsm_adapter.software.kek import write_private

if TYPE_CHECKING:
    from ota.hsm_adapter.ceremony.ceremony import ComponentCeremony
    from ota.hsm_adapter.ports import KeyEntry, Signer

TYPE: Final = "key-ceremony+jwt"
FOLDER: Final = "ceremonies"
_REQUIRED: Final = ("jti", "iat", "kind", "key", "outcome")


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is written down. ``facts`` holds names, states, check values and times, never a component."""

    kind: str
    key: str
    outcome: str
    """"done", or the code of the error that ended it."""
    at: datetime
    facts: Mapping[str, object] = field(default_factory=dict)
    id: str = field(default_factory=lambda: new_id("cer"))

    def signed(self, signer: Signer, audience: str) -> str:
        """The transcript as a compact JWS of the platform's key."""
        claims: dict[str, object] = {
            "jti": self.id,
            "aud": audience,
            "iat": int(self.at.timestamp()),
            "kind": self.kind,
            "key": self.key,
            "outcome": self.outcome,
            **self.facts,
        }
        return signer.sign(claims, type_=TYPE)

    def write(self, folder: Path, signer: Signer, audience: str) -> Path:
        """Put the signed transcript into a file of its own under the data folder; the file."""
        target = folder / FOLDER
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = target / f"{self.at:%Y%m%dT%H%M%SZ}-{self.id}.jws"
        write_private(path, self.signed(signer, audience).encode() + b"\n")
        return path


def read_transcript(content: str, signer: Signer, audience: str) -> dict[str, Any]:
    """What a transcript says; raises Unauthenticated unless this platform signed it."""
    return signer.verify(content.strip(), type_=TYPE, audience=audience, required=_REQUIRED)


def facts_of(ceremony: ComponentCeremony) -> dict[str, object]:
    """Who gave which component when."""
    given = [
        {"officer": each.officer, "kcv": each.kcv.hex().upper(), "at": f"{each.at:%Y-%m-%dT%H:%M:%SZ}"}
        for each in ceremony.given
    ]
    return {
        "begun": f"{ceremony.begun:%Y-%m-%dT%H:%M:%SZ}",
        "officers": list(ceremony.officers),
        "components": given,
    }


def facts_of_entry(entry: KeyEntry) -> dict[str, object]:
    """The key as it stands in the catalogue now."""
    return {
        "kcv": entry.kcv.hex().upper(),
        "state": entry.state.value,
        "test": entry.test,
        "exportable": entry.exportable,
    }
