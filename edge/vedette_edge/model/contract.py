"""The contract: everything that must be known about a model's input and output."""

import json
import reprlib
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_origin, get_type_hints

from vedette_edge.errors import ContractError

FORMAT = "vedette-contract-3"
FORMAT_2 = "vedette-contract-2"  # still read: it has the keys of OLD_KEYS
FORMAT_1 = "vedette-contract-1"  # still read: it also lacks unknown_below_by_label
OLD_KEYS = {"resize_mode": "fit", "resize_rule": "resize"}

UNKNOWN = "unknown"  # the answer if no score is high enough; a model may have it as a label, too

COLOURS = ("rgb",)
RESIZE_MODES = ("squash", "crop", "letterbox")
RESIZE_RULES = ("box-linear-exact-1", "linear-1")  # the second differs from machine to machine

# The value into which the graph's first layer turns a byte x. `resnet50` takes the channels as
# B, G, R and subtracts the means of ImageNet, as Caffe's ResNet-50 does; `imagenet` is
# torchvision's.
NORMALISATIONS: Mapping[str, str] = {
    "unit": "x / 255",
    "centred": "(x - 127) / 128",
    "signed": "x / 127.5 - 1",
    "resnet50": "BGR, x - (103.939, 116.779, 123.68)",
    "imagenet": "(x / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)",
    "none": "x",
    "own": "by the model's own first layers",
}

LARGEST_SIDE_PX = 4096
MOST_SHOWN = 8  # keys or labels in an error's message
LONGEST_LABEL = 200  # characters: a label must fit in a record of the log


@dataclass(frozen=True, slots=True)
class Confidence:
    """The calibration of scores, and the thresholds below which an answer is unknown."""

    temperature: float  # softmax temperature, already folded into the last layer's weights
    unknown_below: float  # an answer with a lower score is unknown; 0: off
    unknown_below_by_label: Mapping[str, float] = field(default_factory=dict)  # overrides

    def threshold(self, label: str) -> float:
        """The score, 0..1, below which a label counts as unknown; 0 for `unknown` itself."""
        if label == UNKNOWN:
            return 0.0
        return self.unknown_below_by_label.get(label, self.unknown_below)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a model."""

    manifest_sha256: str  # of the run's split.csv: each picture, its part and its hash
    pictures: Mapping[str, int]  # part -> number of pictures
    seed: int
    versions: Mapping[str, str]  # package -> version
    accuracies: Mapping[str, float]  # measure -> share of right answers in the test part, 0..1


@dataclass(frozen=True, slots=True)
class Contract:
    """A model's input and output. No field has a default."""

    labels: tuple[str, ...]  # in the order of the outputs
    height: int  # px
    width: int  # px
    colour: str  # order of the channels, one of COLOURS
    resize_mode: str  # from an image's shape to the input's, one of RESIZE_MODES
    resize_rule: str  # rule and version, one of RESIZE_RULES
    normalisation: str  # one of NORMALISATIONS
    confidence: Confidence
    provenance: Provenance

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels without `unknown`."""
        return tuple(label for label in self.labels if label != UNKNOWN)

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        for side, pixels in (("height", self.height), ("width", self.width)):
            if not 1 <= pixels <= LARGEST_SIDE_PX:
                raise ContractError(
                    f"contract: {side} is {reprlib.repr(pixels)}, "
                    f"expected 1 to {LARGEST_SIDE_PX} pixels"
                )
        for key, known in (
            ("colour", COLOURS),
            ("resize_mode", RESIZE_MODES),
            ("resize_rule", RESIZE_RULES),
            ("normalisation", tuple(NORMALISATIONS)),
        ):
            if (value := getattr(self, key)) not in known:
                raise ContractError(
                    f"contract: {key} is {reprlib.repr(value)}, this Vedette knows "
                    f"{', '.join(known)}. A later version may know it"
                )
        _check_confidence(self.confidence, self.labels)


def serialize_contract(contract: Contract) -> str:
    """Write a contract as JSON: first its format's name, then the fields in their order."""
    data = {"format": FORMAT, **asdict(contract)}
    return json.dumps(data, indent=2, ensure_ascii=False)


def parse_contract(text: str | bytes) -> Contract:
    """Read a contract. Raises ContractError for a missing or unknown key, or a wrong type."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"contract: not valid JSON ({error})") from error
    if isinstance(data, dict) and data.get("format") not in (FORMAT, FORMAT_2, FORMAT_1):
        raise ContractError(
            f"contract: format is {reprlib.repr(data.get('format'))}, this Vedette reads "
            f"{FORMAT!r}, {FORMAT_2!r} and {FORMAT_1!r}. "
            "Convert the model again, or install the Vedette that wrote it"
        )
    fields = _read_fields(data)
    fields["confidence"] = _parse_confidence(fields["confidence"], fields.pop("format"))
    provenance = _check_fields(fields["provenance"], "provenance", **_list_json_types(Provenance))
    for key, kind in (("pictures", int), ("versions", str), ("accuracies", float)):
        _check_fields(provenance[key], key, **dict.fromkeys(provenance[key], kind))
    fields["labels"] = tuple(fields["labels"])
    fields["provenance"] = Provenance(**provenance)
    return Contract(**fields)


def _read_fields(data: Any) -> dict[str, Any]:
    """The contract's top-level fields and `format`, under the names of the newest format."""
    types = {"format": str, **_list_json_types(Contract)}
    if not isinstance(data, dict) or data["format"] == FORMAT:
        return _check_fields(data, "contract", **types)
    old_types = {OLD_KEYS.get(key, key): kind for key, kind in types.items()}
    fields = _check_fields(data, "contract", normalisation_in_graph=bool, **old_types)
    if not fields.pop("normalisation_in_graph"):
        raise ContractError(
            "contract: normalisation_in_graph is false, but Vedette's models take raw bytes. "
            "Convert the model again with vedette-convert"
        )
    return fields | {new: fields.pop(old) for new, old in OLD_KEYS.items()}


def _parse_confidence(data: object, format: str) -> Confidence:
    types = _list_json_types(Confidence)
    if format == FORMAT_1:
        del types["unknown_below_by_label"]
    confidence = _check_fields(data, "confidence", **types)
    thresholds = confidence.get("unknown_below_by_label", {})
    _check_fields(thresholds, "unknown_below_by_label", **dict.fromkeys(thresholds, float))
    return Confidence(**confidence)


def _list_json_types(kind: type) -> dict[str, type]:
    """Map each field of a dataclass to its type in JSON."""
    json_types = {tuple: list, Mapping: dict, Confidence: dict, Provenance: dict}
    hints = get_type_hints(kind).items()
    plain = ((name, get_origin(hint) or hint) for name, hint in hints)
    return {name: json_types.get(one, one) for name, one in plain}


def _check_fields(data: object, where: str, /, **types: type) -> dict[str, Any]:
    """Return `data` if it is a dict with exactly these keys, each of exactly this type."""
    if not isinstance(data, dict):
        raise ContractError(f"contract: {where} is {reprlib.repr(data)}, expected an object")
    if missing := types.keys() - data.keys():
        raise ContractError(f"contract: {where} lacks {_list_keys(missing)}")
    if unknown := data.keys() - types.keys():
        raise ContractError(f"contract: {where} has unknown {_list_keys(unknown)}")
    for key, expected in types.items():
        actual = type(data[key])  # not isinstance, for which true is a number
        if actual is not expected and not (expected is float and actual is int):
            raise ContractError(
                f"contract: {key} is {reprlib.repr(data[key])}, "
                f"expected a value of type {expected.__name__}"
            )
        if expected is float and not abs(data[key]) <= sys.float_info.max:  # also true for NaN
            raise ContractError(
                f"contract: {key} is {reprlib.repr(data[key])}, expected a finite number"
            )
    return dict(data)


def _list_keys(keys: Collection[str]) -> str:
    """A few of them, and each shortened: a stranger wrote them."""
    shown, more = sorted(keys)[:MOST_SHOWN], ", ..." * (len(keys) > MOST_SHOWN)
    return ", ".join(key if len(key) <= 40 else f"{key[:40]}..." for key in shown) + more


def _check_labels(labels: tuple[str, ...]) -> None:
    if len(labels) < 2:
        raise ContractError(f"contract: {len(labels)} labels, expected at least 2")
    for label in labels:
        if not isinstance(label, str) or not label.strip() or not label.isprintable():
            shown = reprlib.repr(label)
            raise ContractError(f"contract: label {shown} is not one line of printable text")
        if len(label) > LONGEST_LABEL:
            raise ContractError(
                f"contract: label {reprlib.repr(label)} has {len(label)} characters, expected at "
                f"most {LONGEST_LABEL}. Give the class a shorter name"
            )
    if repeated := sorted(label for label, count in Counter(labels).items() if count > 1):
        raise ContractError(f"contract: duplicate labels: {_list_keys(repeated)}")


def _check_confidence(confidence: Confidence, labels: tuple[str, ...]) -> None:
    temperature, by_label = confidence.temperature, confidence.unknown_below_by_label
    if not temperature > 0:
        raise ContractError(f"contract: temperature is {temperature}, expected temperature > 0")
    if others := sorted(by_label.keys() - set(labels)):
        raise ContractError(
            f"contract: unknown_below_by_label has {reprlib.repr(others)}, expected only labels"
        )
    thresholds = {"unknown_below": confidence.unknown_below} | {
        f"unknown_below_by_label of {label!r}": threshold for label, threshold in by_label.items()
    }
    for key, threshold in thresholds.items():
        if not 0 <= threshold <= 1:
            raise ContractError(f"contract: {key} is {threshold}, expected 0 to 1")
