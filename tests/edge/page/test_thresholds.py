"""Thresholds on the page of a real watch: what they would change, and a change by a token."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
        ('{"enter": NaN}', "enter is nan; expected a number"),
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


def test_requests_that_are_given_up_do_not_hold_up_others(page: Page) -> None:
    def is_answered() -> bool:
        with suppress(ConnectionError):  # while there are too many connections
            return page.get("/api/what-if").status == 200
        return False

    wait_until(is_answered)
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", page.port)) as connection:
            connection.sendall(b"GET /api/what-if?enter=0.9 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_until(is_answered)


def test_few_requests_wait_and_further_ones_are_told_to_come_later(page: Page) -> None:
    with ThreadPoolExecutor(30) as pool:
        answers = [*pool.map(lambda _: page.get("/api/what-if"), range(30))]
    assert {answer.status for answer in answers} <= {200, 503}
    assert all("later" in one.json["error"] for one in answers if one.status == 503)


def test_names_that_are_no_unicode_are_escaped(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "watch.sock"
    flags = ["--camera", "synthetic:80x60@10", "--region", os.fsdecode(b"d\xff=0,0,40,40")]
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), *flags]
    with (
        subprocess.Popen(
            [*command, "--socket", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as watch,
        start_page("--socket", path) as page,
    ):
        wait_until(lambda: page.get("/api/what-if").status == 200)
        watch.kill()


@pytest.mark.parametrize("origin", ["http://[", "http://evil.example", "null", ""])
def test_an_origin_that_is_not_this_page_is_refused(page: Page, origin: str) -> None:
    assert page.post("/api/thresholds", "{}", Origin=origin).status == 403
