"""What is made sure of before the processes of an installation start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ota.cli.preparation import prepare
from ota.settings import Settings, SettingsError, load

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
