"""Names in the message of an error."""

import pytest

from vedette_edge.errors import join_names


@pytest.mark.parametrize(
    ("count", "joined"),
    [
        (1, "0"),
        (2, "0 and 1"),
        (3, "0, 1 and 2"),
        (10, "0, 1, 2, 3, 4, 5, 6, 7, 8 and 9"),
        (11, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more"),
        (2010, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2,000 more"),
    ],
)
def test_many_names_are_the_first_ten_and_a_number(count: int, joined: str) -> None:
    assert join_names(map(str, range(count))) == joined
