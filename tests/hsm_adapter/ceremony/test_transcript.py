"""The record of a ceremony: complete, signed, and without a component."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ota.card.keys import KeyRole
from ota.core.errors import Unauthenticated
from ota.hsm_adapter.ceremony.ceremony import ComponentCeremony
from ota.hsm_adapter.ceremony.transcript import (
    Transcript,
    facts_of,
    facts_of_entry,
    read_transcript,
)
from ota.hsm_adapter.signing import Es256Signer
from ota.hsm_adapter.software import KeyStore
from tests.hsm_adapter.keyring import key_ref

COMPONENTS = ("8A3C5D1F90B7E2466BD10E94F7A2C358", "17E4C09B3D528F6AA1B64D02E95F7C83")
MORNING = datetime(2026, 11, 3, 9, tzinfo=UTC)
LOAD = key_ref(KeyRole.LOAD)


class Morning:
    def now(self) -> datetime:
        return MORNING


def held(folder: Path) -> Transcript:
    with ComponentCeremony(LOAD, ("陈伟", "Liang"), Morning()) as ceremony:
        for component in COMPONENTS:
            ceremony.give(component)
        entry = ceremony.store(KeyStore(folder, environment="sandbox"))
        facts = facts_of(ceremony) | facts_of_entry(entry)
    return Transcript("import_by_components", str(LOAD), "done", MORNING, facts)


def test_a_transcript_tells_who_did_what_when(tmp_path: Path) -> None:
    signer = Es256Signer.open(tmp_path, Morning())

    path = held(tmp_path).write(tmp_path, signer, "ota")
    told = read_transcript(path.read_text(), signer, "ota")

    assert (told["kind"], told["key"], told["outcome"]) == ("import_by_components", str(LOAD), "done")
    assert told["officers"] == ["陈伟", "Liang"]
    assert [each["officer"] for each in told["components"]] == ["陈伟", "Liang"]
    assert all(len(each["kcv"]) == 6 for each in told["components"])
    assert (told["state"], told["test"], told["begun"]) == ("pre-active", False, "2026-11-03T09:00:00Z")
    assert path.name.startswith("20261103T090000Z-cer_")
    assert path.stat().st_mode & 0o077 == 0


def test_no_component_stands_in_a_transcript(tmp_path: Path) -> None:
    signer = Es256Signer.open(tmp_path, Morning())

    told = str(read_transcript(held(tmp_path).signed(signer, "ota"), signer, "ota")).upper()

    assert all(component[:8] not in told for component in COMPONENTS)


@pytest.mark.parametrize("place", [10, 200, -3])
def test_an_altered_transcript_is_noticed(tmp_path: Path, place: int) -> None:
    signer = Es256Signer.open(tmp_path, Morning())
    content = held(tmp_path).signed(signer, "ota")
    other = "A" if content[place] != "A" else "B"

    with pytest.raises(Unauthenticated):
        read_transcript(content[:place] + other + content[place:][1:], signer, "ota")


def test_an_access_token_is_no_transcript(tmp_path: Path) -> None:
    signer = Es256Signer.open(tmp_path, Morning())
    token = signer.sign(
        {"jti": "x", "aud": "ota", "iat": 1, "kind": "", "key": "", "outcome": ""}, type_="at+jwt"
    )

    with pytest.raises(Unauthenticated):
        read_transcript(token, signer, "ota")


def test_three_officers_with_long_names_fit_into_a_transcript(tmp_path: Path) -> None:
    signer = Es256Signer.open(tmp_path, Morning())
    officers = tuple(f"{letter * 60} of the provincial operator" for letter in "ABC")
    with ComponentCeremony(LOAD, officers, Morning()) as ceremony:
        for component in (*COMPONENTS, "C2957B301EFA46D8590F8AE37D1462B4"):
            ceremony.give(component)
        transcript = Transcript("import_by_components", str(LOAD), "done", MORNING, facts_of(ceremony))

    assert read_transcript(transcript.signed(signer, "ota"), signer, "ota")["officers"] == list(officers)
