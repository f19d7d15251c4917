"""Topics, whatever regions are called."""

import re

from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.mqtt.topics import Topics, make_slug

TOPICS = Topics("vedette/door-pi", "homeassistant", "door-pi")


def test_a_plain_name_stays() -> None:
    assert TOPICS.state("door_1") == "vedette/door-pi/door_1/state"
    assert TOPICS.event("") == "vedette/door-pi/event"


@given(st.lists(st.text(min_size=1), min_size=2, max_size=8, unique=True))
def test_slugs_are_safe_and_unique(names: list[str]) -> None:
    slugs = [make_slug(name) for name in names]
    slugs += [make_slug(slug) for slug in slugs if slug not in names]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,48}", slug) for slug in slugs)
    assert "set" not in slugs
    assert len(set(slugs[: len(names)])) == len(names)


def test_a_name_that_looks_like_another_ones_slug_gets_its_own() -> None:
    slug = make_slug("Tür 1")
    assert re.fullmatch(r"T-r-1-[0-9a-f]{8}", slug)
    assert make_slug(slug) != slug
