"""The disk under the database: filled and cleared where it may be mounted, else the reason is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chaos.database import Disk, small_disk


def trouble_of_writing(disk: Disk) -> int | None:
    """What the operating system says to one more page; None when it takes it."""
    try:
        (disk.folder / "page").write_bytes(bytes(8192))
    except OSError as error:
        return error.errno
    return None


def test_a_full_disk_takes_nothing_until_it_is_cleared(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        if disk.why_not is None:  # never the folder of a real disk
            disk.fill()
            full = trouble_of_writing(disk)
            disk.clear()

            assert (full, trouble_of_writing(disk)) == (errno.ENOSPC, None)
        else:
            assert trouble_of_writing(disk) is None

    assert not os.path.ismount(tmp_path / "disk")


def test_without_the_right_to_mount_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with small_disk(tmp_path) as disk:
        assert disk.why_not == "mounting a tmpfs takes root and mount(8)"
        assert disk.folder.is_dir()
