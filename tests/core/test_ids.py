import re
import time

from ota.core.ids import new_id


def test_an_id_is_its_prefix_and_26_characters_fit_for_a_url() -> None:
    assert re.fullmatch(r"iss_[0-9a-hjkmnp-tv-z]{26}", new_id("iss"))


def test_ids_differ() -> None:
    assert len({new_id("x") for _ in range(1000)}) == 1000


def test_ids_sort_by_the_time_of_their_making() -> None:
    first = new_id("x")
    time.sleep(0.002)

    assert first < new_id("x")
