"""The style of the three packages, held to figures. `figures.py` prints them."""

from pathlib import Path

import pytest
from tests.style.figures import PACKAGES, Figures, count_package

ROOT = Path(__file__).parents[2]
MOST_AT_ROOT = {"edge/vedette_edge": 7, "train/vedette_train": 4, "convert/vedette_convert": 6}


@pytest.fixture(scope="module", params=PACKAGES)
def package(request: pytest.FixtureRequest) -> tuple[str, Figures]:
    return request.param, count_package(ROOT / request.param)


def test_modules_stand_in_rooms(package: tuple[str, Figures]) -> None:
    name, figures = package
    assert figures.at_root <= MOST_AT_ROOT[name]


def test_functions_are_short_and_take_few_parameters(package: tuple[str, Figures]) -> None:
    _, figures = package
    assert (figures.too_long, figures.too_many_parameters, figures.untyped_options) == (0, 0, 0)


def test_imports_inside_functions_have_a_reason(package: tuple[str, Figures]) -> None:
    _, figures = package
    assert figures.unexplained_imports == 0


def test_names_are_those_that_a_reader_would_search_for(package: tuple[str, Figures]) -> None:
    _, figures = package
    assert figures.foreign_names == 0
    assert figures.verbs > 0.55 * figures.named


def test_docstrings_name_things_and_ask_nothing(package: tuple[str, Figures]) -> None:
    _, figures = package
    assert figures.questions < 0.01 * figures.docstrings
