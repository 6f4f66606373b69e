"""Uses the token, forks twice, and uses it in each child and again itself."""

from __future__ import annotations

import os

from tests.hsm_adapter.pkcs11.programs.loads import KEY, LOAD, MAC2
from tests.hsm_adapter.pkcs11.programs.opened import opened, say

if __name__ == "__main__":
    hsm = opened()
    hsm.authorise_load(KEY, LOAD)
    for number in (1, 2):
        child = os.fork()
        if child == 0:
            say("child", number, hsm.authorise_load(KEY, LOAD) == MAC2)
            os._exit(0)
        os.waitpid(child, 0)
    say("parent", hsm.authorise_load(KEY, LOAD) == MAC2)
