"""The page of a real watch: pictures, scores and events, all of the same frame."""

import base64
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.edge.live.frames import make_frame
from tests.edge.mosquitto import wait_until
from tests.edge.page.conftest import Page, StartPage, start_page
from tests.edge.vedette_command import call_vedette

from vedette_edge import Classifier
from vedette_edge.images.preprocessing import Image
from vedette_edge.live.client import LiveClient
from vedette_edge.live.server import LiveServer
from vedette_edge.web.server import MOST_VIEWERS


def decode(data: bytes) -> Image:
    image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image_bgr is not None
    return np.ascontiguousarray(image_bgr[..., ::-1], np.uint8)


def decode_uri(uri: str, kind: str) -> Image:
    head, _, data = uri.partition(",")
    assert head == f"data:image/{kind};base64"
    return decode(base64.b64decode(data))


def take_views(page: Page, count: int, query: str = "?pictures=1") -> list[Any]:
    views = []
    with page.events(query) as events:
        for kind, _, data in events:
            if kind == "view":
                views.append(data)
            if len(views) == count:
                return views
    raise AssertionError("the stream ended")


def test_the_page_and_all_that_it_loads_are_small_and_come_from_here(page: Page) -> None:
    files = {path: page.get(path) for path in ("/", "/page.css", "/page.js", "/login")}
    assert {answer.status for answer in files.values()} == {200}
    assert sum(len(answer.body) for answer in files.values()) < 80_000
    assert b"://" not in b"".join(answer.body for answer in files.values())
    assert files["/"].headers["content-type"].startswith("text/html")


def test_a_view_shows_the_frame_the_input_and_the_scores_of_one_moment(
    page: Page, model: Path
) -> None:
    with Classifier(model) as classifier:
        for view in take_views(page, 5):
            colour = decode_uri(view["picture"], "jpeg").reshape(-1, 3).mean(0).argmax()
            for region in view["regions"]:
                input_rgb = decode_uri(view["inputs"][region["region"]], "png")
                assert np.allclose(classifier.score(input_rgb).scores, region["scores"], atol=1e-4)
                assert np.argmax(region["scores"]) == colour
                assert region["explanation"].startswith(region["label"])


def test_without_pictures_there_are_scores_alone(page: Page) -> None:
    (view,) = take_views(page, 1, "")
    assert view["regions"][0]["smoothed"]
    assert "picture" not in view


def test_a_camera_integration_gets_a_picture_and_a_stream(page: Page) -> None:
    answer = page.get("/frame.jpg")
    assert (answer.headers["content-type"], decode(answer.body).shape) == (
        "image/jpeg",
        (60, 80, 3),
    )
    assert answer.headers["cache-control"] == "no-store"
    with page.open("/stream.mjpg") as stream:
        assert stream.getheader("content-type") == "multipart/x-mixed-replace; boundary=frame"
        colours = set[int]()
        while len(colours) < 3:
            head = {}
            while line := stream.readline().strip():
                if b": " in line:
                    name, _, value = line.partition(b": ")
                    head[name] = value
            if head:
                jpeg = stream.read(int(head[b"Content-Length"]))
                colours.add(int(decode(jpeg).reshape(-1, 3).mean(0).argmax()))


def test_records_come_with_ids_and_go_on_where_a_viewer_left(page: Page) -> None:
    def take(count: int, **headers: str) -> list[tuple[int, Any]]:
        taken = []
        with page.events("", **headers) as events:
            for kind, number, data in events:
                if kind == "record":
                    taken.append((int(number), data))
                if len(taken) == count:
                    break
        return taken

    first = take(3)
    again = take(2, Last_Event_ID=str(first[0][0]))
    assert again == first[1:]
    later = take(1, Last_Event_ID="9" * 19)  # of a clock that was ahead
    assert later[0][0] > first[-1][0]
    assert all(one["event"] in ("change", "heartbeat") for _, one in first)


def test_programs_get_the_state_and_the_history(page: Page, folder: Path) -> None:
    state = page.get("/api/state").json
    assert state["watch"]["labels"] == ["red", "green", "blue"]
    assert state["watch"]["areas"][1]["name"] == "yard"
    assert len(state["frame"]["regions"]) == 2
    logged = [json.loads(line) for line in (folder / "watch.jsonl").read_text().splitlines()]
    records = page.get("/api/history").json["records"]
    assert records[0] == logged[0]
    changes = [one for one in records if one["event"] == "change"]
    assert len(changes) > 1
    later = page.get(f"/api/history?since={changes[1]['time']}").json["records"]
    expected = [one for one in records if one["time"] >= changes[1]["time"]]
    assert later[: len(expected)] == expected
    for wrong in ("tomorrow", "nan", "inf", "-1", "1e999"):
        assert page.get(f"/api/history?since={wrong}").status == 400
    assert page.get(f"/api/history?since={'9' * 5000}").json["records"] == []


def test_a_change_has_its_snapshot(page: Page, folder: Path) -> None:
    records = page.get("/api/history").json["records"]
    name = next(one["snapshot"] for one in records if one["event"] == "change")
    wait_until((folder / "snapshots" / name).exists)
    answer = page.get(f"/snapshots/{name}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.body == (folder / "snapshots" / name).read_bytes()


def test_more_viewers_than_there_may_be_are_refused(page: Page) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            stack.enter_context(page.open("/events"))
        for path in ("/events", "/stream.mjpg", "/frame.jpg"):
            answer = page.get(path)
            assert (answer.status, b"8 viewers" in answer.body) == (503, True)
        assert page.get("/").status == 200
    wait_until(lambda: page.get("/frame.jpg").status == 200)


def test_prometheus_gets_the_figures_of_the_watch(page: Page, start: StartPage) -> None:
    answer = page.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    assert "vedette_camera_up 1.0" in lines
    assert any(line.startswith('vedette_frames_total{outcome="classified"} ') for line in lines)
    assert start().get("/metrics").status == 503


def test_figures_come_with_the_events(page: Page) -> None:
    with page.events() as events:
        data = next(data for kind, _, data in events if kind == "metrics")
    assert data["camera"]["up"] is True
    assert data["frames"]["classified"] > 0


def test_health_and_readiness(page: Page, start: StartPage) -> None:
    assert page.get("/healthz").body == b"ok\n"
    assert page.get("/readyz").status == 200
    alone = start()
    assert alone.get("/healthz").status == 200
    answer = alone.get("/readyz")
    assert (answer.status, b"no watch at" in answer.body) == (503, True)


def test_the_watch_is_asked_for_something_only_while_somebody_looks(tmp_path: Path) -> None:
    path = tmp_path / "watch.sock"
    with LiveServer(path, {"labels": ["fox"], "regions": [""]}) as server:
        with start_page("--socket", path) as page:
            wait_until(lambda: server._wants_records)
            assert page.get("/").status == 200
            assert not server.wants_scores
            with page.open("/events"):
                wait_until(lambda: server.wants_scores)
                assert not server.wants_picture
                with page.open("/events?pictures=1"):
                    wait_until(lambda: server.wants_picture)
        wait_until(lambda: not server._viewers)


def test_the_page_waits_for_a_watch_and_follows_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "watch.sock"
    with start_page("--socket", path) as page, page.events() as events:
        infos = (data for kind, _, data in events if kind == "watch")
        absent = {"watch": None, "reason": f"no watch at {path}"}
        assert any(data == absent for data in infos)
        for model in ("one.tflite", "two.tflite"):
            with LiveServer(path, {"model": model, "labels": []}):
                assert any(data["watch"] and data["watch"]["model"] == model for data in infos)
            assert next(infos)["reason"] in ("the watch has ended", absent["reason"])


def test_another_version_of_the_protocol_is_named(tmp_path: Path) -> None:
    path = tmp_path / "watch.sock"
    with LiveServer(path, {"version": 99}), start_page("--socket", path) as page:
        wait_until(lambda: "version 99" in page.get("/api/state").json["reason"])


def test_a_watch_that_sends_nonsense_is_followed_by_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "watch.sock"
    with start_page("--socket", path) as page, page.events("?pictures=1") as events:
        infos = (data for kind, _, data in events if kind == "watch")
        with LiveServer(path, {"regions": 5, "labels": ["fox"]}) as server:
            wait_until(lambda: server.wants_picture)
            server.put_frame(make_frame())
            assert any("TypeError" in data.get("reason", "") for data in infos)
            assert page.get("/api/state").status == 200
        with LiveServer(path, {"labels": ["hen"], "model": "a\udcff"}):
            assert any((data["watch"] or {}).get("labels") == ["hen"] for data in infos)
            assert page.get("/api/state").json["watch"]["labels"] == ["hen"]


def test_a_watch_with_too_many_viewers_says_so(tmp_path: Path) -> None:
    path = tmp_path / "watch.sock"
    with LiveServer(path, {}), ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(LiveClient(path))
        with start_page("--socket", path) as page:
            wait_until(lambda: "viewers are connected" in page.get("/api/state").json["reason"])


@pytest.mark.parametrize("arguments", [["--open", "model.tflite"], ["--camera", "clip.avi"]])
def test_open_and_camera_belong_together(arguments: list[str]) -> None:
    result = call_vedette("page", *arguments)
    assert result.exit_code == 2
    assert "--open and --camera belong together" in result.stderr
