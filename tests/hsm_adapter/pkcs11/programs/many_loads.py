"""Says by how many KiB the process grew over a number of loads, after as many as fill what is kept once."""

from __future__ import annotations

from pathlib import Path

from ota.hsm_adapter.pkcs11 import library
from tests.hsm_adapter.pkcs11.programs.loads import KEY, LOAD, MAC2
from tests.hsm_adapter.pkcs11.programs.opened import ARGUMENTS, opened, say


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4


if __name__ == "__main__":
    loads = int(ARGUMENTS[0])
    limit = min(library.RECYCLE_AFTER, loads // 2)  # several fresh starts in the run
    setattr(library, "RECYCLE_AFTER", limit)  # noqa: B010  it is final to everybody else
    hsm = opened()
    hsm.authorise_loads([(KEY, LOAD)] * (limit // 2 + 10))
    before = resident_kib()
    for _ in range(loads // 100):
        assert hsm.authorise_loads([(KEY, LOAD)] * 100) == [MAC2] * 100
    say(resident_kib() - before)
