"""The automation and the blueprint of docs/home-assistant.md, after all other tests."""

import re
import time
from pathlib import Path
from textwrap import dedent

import pytest
from tests.edge.numbered_frames import read_number
from tests.home_assistant.client import PATIENCE_S, HomeAssistant, Notice
from tests.home_assistant.entities import wait_for, wait_for_event
from tests.home_assistant.watch import Watch

pytestmark = pytest.mark.timeout(900)  # of which installing Home Assistant takes the most

DOCS = Path(__file__).parents[2] / "docs"


def read_automation(label: str) -> str:
    """The automation that the document tells to paste, for another label."""
    text = (DOCS / "home-assistant.md").read_text("utf-8")
    (block,) = re.findall(r"^    alias: (?:.*\n)+?(?=^$|^[^ ])", text, re.M)
    return dedent(block).replace("'fox'", f"'{label}'")


def wait_for_notices(hub: HomeAssistant, count: int) -> list[Notice]:
    end, notices = time.monotonic() + PATIENCE_S, list[Notice]()
    while len(notices) < count:
        assert time.monotonic() < end, hub.take_warnings()
        time.sleep(0.05)
        notices += hub.take_notices()
    return notices


def test_a_phone_gets_the_label_of_the_document_with_its_picture(
    hub: HomeAssistant, watch: Watch
) -> None:
    watch.show("green")
    wait_for(hub, {"label": "green"})
    entities = {"change": "event.door_pi_change", "snapshot": "image.door_pi_snapshot"}
    inputs = {**entities, "labels": ["blue"], "phone": "a-device", "score": 50}
    blueprint = (DOCS / "vedette-notification.yaml").read_text("utf-8")
    hub.add_automations(read_automation("red"), blueprint, inputs, "notify.mobile_app_my_phone")
    for label, title in (("red", r"A fox, \d+ %"), ("blue", "blue")):
        shown = watch.show(label)
        wait_for_event(hub, "change", shown)
        (notice,) = wait_for_notices(hub, 1)
        assert re.fullmatch(title, notice.title)
        assert "before: " in notice.message
        assert read_number(notice.picture) - shown.number in (0, 1)
    wait_for_event(hub, "change", watch.show("green"))
    assert not hub.take_notices()
    hub.call_service("automation.turn_off", "all")
