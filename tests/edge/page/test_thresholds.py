"""Thresholds on the page of a real watch: what they would change, and a change by a token."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.edge.mosquitto import wait_until
from tests.edge.page.conftest import TOKEN, Page, StartPage, start_page

from vedette_edge.live.server import LiveServer

CLOSED = {"enter": 1.0, "leave": 1.0}  # which no score reaches for long


def compare(page: Page, **query: float) -> dict[str, Any]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = page.get(f"/api/what-if?{words}")
    assert answer.status == 200, answer.body
    return dict(answer.json)


def test_it_says_what_other_thresholds_would_have_changed(page: Page) -> None:
    wait_until(lambda: compare(page)["regions"][1]["present"]["changes"] >= 3)
    answer = compare(page, **CLOSED)
    assert (answer["enter"], answer["leave"], answer["dwell"]) == (0.5, 0.35, 0.0)
    assert [one["region"] for one in answer["regions"]] == ["door", "yard"]
    for region in answer["regions"]:
        assert set(region["present"]["seconds"]) <= {"red", "green", "blue"}
        assert set(region["proposed"]["seconds"]) == {"unknown"}
        assert region["proposed"]["changes"] == 0
        ((label, from_s, until_s),) = region["proposed"]["spans"]
        assert (label, abs(until_s - time.time()) < 10) == ("unknown", True)
        assert from_s < until_s
    later = compare(page, since=time.time() - 4)["regions"][0]["present"]
    assert sum(later["seconds"].values()) <= 6


@pytest.mark.parametrize(
    "query", ["enter=x", "enter=0.2&leave=0.3", "enter=2", "leave=nan", "since=never", "enter="]
)
def test_values_that_are_not_valid_are_an_error_that_says_so(page: Page, query: str) -> None:
    answer = page.get(f"/api/what-if?{query}")
    assert (answer.status, list(answer.json)) == (400, ["error"])


def test_without_a_token_nothing_can_be_set(page: Page) -> None:
    answer = page.post("/api/thresholds", json.dumps({"enter": 0.9}))
    assert (answer.status, answer.body) == (
        403,
        b"Changes need a token; start the page with --token-file\n",
    )
    assert page.get("/api/thresholds").status == 405
    assert page.get("/api/state").json["watch"]["may_change"] is False


def test_with_the_token_they_are_set_and_go_back(watch: Path, token_file: Path) -> None:
    allowed = {"Authorization": f"Bearer {TOKEN}"}

    def read_enter() -> float:
        regions = page.get("/api/state", **allowed).json["frame"]["regions"]
        assert len({(one["enter"], one["leave"]) for one in regions}) == 1
        return float(regions[0]["enter"])

    with start_page("--socket", watch, "--token-file", token_file) as page:
        assert page.get("/api/state", **allowed).json["watch"]["may_change"] is True
        foreign = page.get("/api/thresholds", "POST", "{}", Origin="http://evil.example", **allowed)
        assert foreign.status == 403
        assert page.post("/api/thresholds", json.dumps({"enter": 0.9})).status == 401
        assert read_enter() == 0.5
        assert page.post("/api/thresholds", json.dumps(CLOSED), **allowed).status == 204
        wait_until(lambda: read_enter() == 1.0)
        note = "set while the watch runs: enter 1, leave 1"
        wait_until(lambda: note in watch.with_name("watch.jsonl").read_text("utf-8"))
        both = json.dumps({"enter": None, "leave": None})
        assert page.post("/api/thresholds", both, **allowed).status == 204
        wait_until(lambda: read_enter() == 0.5)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "expected JSON such as"),
        ("[]", "expected JSON such as"),
        ("{}", "expected JSON such as"),
        ("[" * 900, "expected JSON such as"),
        ('{"enter": 2}', "enter is 2; expected 0.05 to 1"),
        ('{"enter": 0.1}', "enter 0.1 is below leave 0.35"),
        ('{"dwell": 1}', "unknown setting"),
        ('{"enter": "0.6"}', "expected 0.05 to 1"),
        ('{"enter": NaN}', "expected 0.05 to 1"),
    ],
)
def test_a_change_that_is_not_valid_is_refused(
    watch: Path, token_file: Path, body: str, reason: str
) -> None:
    with start_page("--socket", watch, "--token-file", token_file) as page:
        answer = page.post("/api/thresholds", body, Authorization=f"Bearer {TOKEN}")
        assert answer.status == 400
        assert reason in answer.json["error"]
        long = page.post("/api/thresholds", " " * 2000, Authorization=f"Bearer {TOKEN}")
        assert long.status == 413


def test_without_a_watch_the_answer_says_so(start: StartPage) -> None:
    answer = start().get("/api/what-if")
    assert answer.status == 503
    assert "no answer from the watch" in answer.json["error"]


def test_a_watch_without_scores_says_why(tmp_path: Path) -> None:
    hello = {"labels": ["fox"], "regions": [""]}
    with (
        LiveServer(tmp_path / "w.sock", hello),
        start_page("--socket", tmp_path / "w.sock") as page,
    ):
        wait_until(lambda: page.get("/api/what-if").status == 400)
        assert "keeps no scores" in page.get("/api/what-if").json["error"]
