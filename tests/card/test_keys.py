import pytest

from ota.card.keys import Algorithm, KeyRole


@pytest.mark.parametrize(
    ("algorithm", "key", "block"),
    [
        (Algorithm.TDES, 16, 8),
        (Algorithm.SM4, 16, 16),
        (Algorithm.AES128, 16, 16),
        (Algorithm.AES192, 24, 16),
        (Algorithm.AES256, 32, 16),
    ],
)
def test_an_algorithm_knows_the_lengths_of_its_key_and_block(
    algorithm: Algorithm, key: int, block: int
) -> None:
    assert (algorithm.key_length, algorithm.block_length) == (key, block)


def test_a_role_is_written_as_its_name_in_small_letters() -> None:
    assert [str(role) for role in KeyRole] == [role.name.lower() for role in KeyRole]
