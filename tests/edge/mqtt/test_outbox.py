"""The outbox: order, limits, and outages."""

import threading

from vedette_edge.mqtt.outbox import LARGEST_BYTES, LARGEST_EVENT_BYTES, Message, Outbox

ORDER = ("discovery", "available", "snapshot", "state")


def drain(outbox: Outbox) -> list[tuple[str, bytes]]:
    """Take all messages, none of which is confirmed."""
    messages = []
    while message := outbox.take():
        messages.append((message.topic, message.payload))
    return messages


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    outbox = Outbox(ORDER)
    expected = []
    for number in (b"1", b"2"):
        outbox.put_retained("snapshot", number)
        outbox.put_retained("state", number)
        outbox.put_event("event", number)
        expected = [("snapshot", number), ("state", number), ("event", number)]
        assert drain(outbox) == expected
    assert outbox.take() is None


def test_a_newer_payload_takes_the_place_of_one_that_waits() -> None:
    outbox = Outbox(ORDER)
    for number in (b"1", b"2"):
        outbox.put_retained("state", number)
        outbox.put_event("event", number)
    assert drain(outbox) == [("state", b"2"), ("event", b"1"), ("event", b"2")]


def test_the_oldest_event_goes_first_when_too_many_wait() -> None:
    outbox = Outbox(ORDER)
    for number in range(130):
        outbox.put_event("event", b"%d" % number)
    assert [int(payload) for _, payload in drain(outbox)] == list(range(30, 130))
    assert outbox.read_counters() == (0, 30)


def test_after_an_outage_all_that_is_retained_comes_first_and_then_what_was_not_confirmed() -> None:
    outbox = Outbox(ORDER)
    for topic in reversed(ORDER):
        outbox.put_retained(topic, b"1")
    outbox.put_event("event", b"1")
    outbox.put_event("event", b"2")
    assert len(drain(outbox)) == 6
    outbox.confirm(Message("event", b"1", retained=False))
    outbox.confirm(Message("state", b"1", retained=True))
    outbox.put_event("event", b"3")
    outbox.put_retained("state", b"2")
    outbox.recover()
    repeated = [(topic, b"2" if topic == "state" else b"1") for topic in ORDER]
    assert drain(outbox) == [*repeated, ("event", b"2"), ("event", b"3")]
    assert outbox.read_counters() == (2, 0)


def test_events_that_were_not_confirmed_count_towards_the_limit() -> None:
    outbox = Outbox(ORDER)
    for number in range(20):
        outbox.put_event("event", b"%d" % number)
    drain(outbox)
    for number in range(20, 120):
        outbox.put_event("event", b"%d" % number)
    outbox.recover()
    assert [int(payload) for _, payload in drain(outbox)] == list(range(20, 120))
    assert outbox.read_counters() == (0, 20)


def test_repeating_what_is_retained_repeats_no_event() -> None:
    outbox = Outbox(ORDER)
    outbox.put_retained("state", b"1")
    outbox.put_event("event", b"1")
    drain(outbox)
    assert outbox.count_waiting() == 1
    outbox.put_event("event", b"2")
    outbox.repeat_retained()
    assert drain(outbox) == [("state", b"1"), ("event", b"2")]
    assert outbox.count_waiting() == 2


def test_what_is_too_large_or_unknown_is_dropped_and_counted() -> None:
    outbox = Outbox(ORDER)
    outbox.put_retained("snapshot", bytes(LARGEST_BYTES))
    outbox.put_retained("snapshot", bytes(LARGEST_BYTES + 1))
    outbox.put_retained("unknown", b"1")
    outbox.put_event("event", bytes(LARGEST_EVENT_BYTES + 1))
    assert drain(outbox) == [("snapshot", bytes(LARGEST_BYTES))]
    assert outbox.read_counters() == (0, 3)


def test_several_threads_may_use_it() -> None:
    outbox = Outbox(ORDER)
    taken: list[Message] = []

    def put() -> None:
        for number in range(2000):
            outbox.put_retained("state", b"%d" % number)
            outbox.put_event("event", b"%d" % number)

    writers = [threading.Thread(target=put) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers) or outbox.count_waiting():
        if message := outbox.take():
            taken.append(message)
            outbox.confirm(message)
    for writer in writers:
        writer.join()
    events = sum(not message.retained for message in taken)
    assert events + outbox.read_counters()[1] == 4000
    assert [one.payload for one in taken if one.retained][-1] == b"1999"
