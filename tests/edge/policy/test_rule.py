"""The [[on]] tables: all mistakes are named at once, and none can hide a rule that never holds."""

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.policy.rule import Hours, Rule, check_labels, parse_rules


def test_every_key_reaches_the_rule() -> None:
    (rule,) = parse_rules(
        [
            {
                "event": "change",
                "label": ["fox", "unknown"],
                "score": 0.8,
                "for": 5,
                "first": "day",
                "cooldown": 600.0,
                "hours": "20:00-07:00",
                "webhook": "http://127.0.0.1:8123/api/webhook/fox",
                "snapshot": True,
            }
        ]
    )
    webhook = "http://127.0.0.1:8123/api/webhook/fox"
    hours = Hours(1200, 420)
    expected = Rule(
        "change", ("fox", "unknown"), 0.8, 5.0, "day", 600.0, hours, webhook, snapshot=True
    )
    assert rule == expected
    assert parse_rules([{}]) == (Rule(),)
    assert parse_rules([{"label": "fox"}])[0].labels == ("fox",)
    assert parse_rules([]) == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"lable": "fox"}, r"unknown key 'lable'; expected one of: event, label"),
        ({"event": "lost"}, r"event is 'lost': expected one of change, camera_lost"),
        ({"event": ["change"]}, r"event is \['change'\]"),
        ({"label": []}, r"label is \[\]: expected a label, or a list of labels"),
        ({"label": [1]}, r"label is \[1\]"),
        ({"label": ""}, r"label is ''"),
        ({"score": 80}, r"score is 80: expected a number from 0 to 1"),
        ({"score": True}, r"score is True"),
        ({"score": float("nan")}, r"score is nan"),
        ({"for": -1}, r"for is -1: expected seconds"),
        ({"for": float("inf")}, r"for is inf"),
        ({"for": 1e9}, r"for is 1000000000.0: expected seconds from 0 to 31,622,400, a year"),
        ({"score": 10**400}, r"score is 1000"),
        ({"cooldown": -(10**400)}, r"cooldown is -1000"),
        ({"first": "week"}, r"first is 'week': expected one of hour, day, ever"),
        ({"cooldown": "600"}, r"cooldown is '600'"),
        ({"hours": "20:00"}, r"hours is '20:00': expected two different times"),
        ({"hours": "20:00-20:00"}, r"hours is '20:00-20:00'"),
        ({"hours": "20:00-24:30"}, r"hours is '20:00-24:30'"),
        ({"hours": 20}, r"hours is 20"),
        ({"webhook": {"password": "secret"}}, r"webhook: expected an address"),
        ({"snapshot": "yes"}, r"snapshot is 'yes': expected true or false"),
        ({"event": "camera_lost", "label": "fox"}, r"camera_lost has no label, so this never"),
        ({"event": "camera_restored", "score": 0.5}, r"camera_restored has no score"),
        ({"event": "camera_lost", "snapshot": True}, r"camera_lost has no snapshot"),
    ],
)
def test_a_mistake_is_named_with_its_table(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=rf"\[\[on\]\] 2: {message}") as error:
        parse_rules([{}, table])
    assert "secret" not in str(error.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SettingError) as error:
        parse_rules([{"score": 2, "first": "week"}, {}, {"cooldwon": 5}])
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("tables", ["fox", {"label": "fox"}, ["fox"], 5, [{}] * 101])
def test_what_is_not_a_list_of_tables_is_an_error(tables: object) -> None:
    with pytest.raises(SettingError, match="expected"):
        parse_rules(tables)


def test_a_label_that_the_model_does_not_have_is_an_error() -> None:
    rules = parse_rules([{"label": ["hen", "unknown"]}, {"label": ["hen", "Fox"]}])
    check_labels(rules[:1], ["hen", "fox", "unknown"])
    expected = r"\[\[on\]\] 2: the model has no label 'Fox'; it has hen, fox and unknown"
    with pytest.raises(SettingError, match=expected):
        check_labels(rules, ["hen", "fox", "unknown"])


def test_a_value_of_any_length_fits_into_a_message() -> None:
    table = {"hours": "2" * 500_000, "k" * 500_000: 1}
    with pytest.raises(SettingError, match="hours is '2222") as caught:
        parse_rules([table])
    assert len(str(caught.value)) < 1000
