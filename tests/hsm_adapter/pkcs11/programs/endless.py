"""Uses the token until it is killed."""

from __future__ import annotations

from tests.hsm_adapter.pkcs11.programs.loads import KEY, LOAD
from tests.hsm_adapter.pkcs11.programs.opened import opened, say

if __name__ == "__main__":
    hsm = opened()
    say("working")
    while True:
        hsm.authorise_load(KEY, LOAD)
