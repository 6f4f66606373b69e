from __future__ import annotations

import pytest

from ota.city_hosts.door import CityDoor, Neighbour
from ota.core.errors import InvalidValue
from tests.hsm_adapter.city_host.parties import CITYS, OURS, StandingClock


class NoReplays:
    """Forgets everything."""

    def use(self, *_: object) -> None:
        return


def test_a_key_id_is_one_citys() -> None:
    keys = {"shared-1": CITYS.public}
    two = [Neighbour(city, keys, OURS) for city in ("foshan", "zhuhai")]

    with pytest.raises(InvalidValue, match="shared-1"):
        CityDoor(two, NoReplays(), StandingClock())
