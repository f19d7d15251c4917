"""The protocol of the watch's socket: packets, and requests that anybody may send."""

import pytest

from vedette_edge.errors import ProtocolError
from vedette_edge.live.protocol import (
    Packet,
    Request,
    decode_packet,
    encode_packet,
    parse_request,
)


@pytest.mark.parametrize("body", [b"", b"\n", b"\xff\xd8 a picture \n{}\n"])
def test_a_packet_comes_back_as_it_was(body: bytes) -> None:
    packet = Packet({"type": "frame", "label": "Füchse\n{}", "frame": 3}, body)
    assert decode_packet(b"".join(encode_packet(packet).pieces)) == packet


def test_a_name_that_is_no_unicode_passes() -> None:
    packet = Packet({"source": "a\udcff"})
    assert decode_packet(b"".join(encode_packet(packet).pieces)).header["source"]


@pytest.mark.parametrize("data", [b"", b"\n", b"{", b"[]", b"null\n", b"\xff\n", b"[" * 4000])
def test_what_is_no_packet_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="does not begin with"):
        decode_packet(data)


def test_a_request_names_what_is_asked_for() -> None:
    assert parse_request(b'{"request":["records"]}') == Request(records=True)
    both = parse_request(b'{"request":["frame","state"]}\n')
    assert both == Request(parts=frozenset({"frame", "state"}))
    assert parse_request(b'{"request":["metrics"]}') == Request(answers=frozenset({"metrics"}))
    changed = parse_request(b'{"set":{"enter":0.6}}')
    assert changed == Request(thresholds={"enter": 0.6})
    repeated = parse_request(b'{"request":["state"],"interval_s":0.2}')
    assert repeated == Request(parts=frozenset({"state"}), interval_s=0.2)
    assert parse_request(b'{"request":[]}').is_empty


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"request":"state"}',
        b'{"request":["stat"]}',
        b'{"request":[["state"]]}',
        b'{"request":[1]}',
        b'{"request":{"state":1}}',
    ],
)
def test_an_unknown_request_is_an_error_that_names_the_known_ones(data: bytes) -> None:
    with pytest.raises(
        ProtocolError, match="records, metrics, score_history, state, frame, pixels, input"
    ):
        parse_request(data)


@pytest.mark.parametrize("value", ["-1", "1e9", "NaN", '"x"', "null", "true", "[0.2]"])
def test_an_interval_that_is_not_valid_is_an_error(value: str) -> None:
    with pytest.raises(ProtocolError, match=r"interval_s is .*; expected 0 to 60"):
        parse_request(f'{{"request":["state"],"interval_s":{value}}}'.encode())
