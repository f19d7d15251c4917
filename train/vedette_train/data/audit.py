"""What is wrong with photographs, before anybody trusts a number that was made of them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from vedette_edge.images import decoding, discovery
from vedette_edge.model.contract import Contract
from vedette_train.data.discovery import TEST, Dataset, Photograph
from vedette_train.data.image_cache import Entry

FEWEST = 20  # pictures of a class that can be learned from
MOST_UNEVEN = 3  # times as many in the largest class as in the smallest


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding."""

    title: str
    advice: str


KINDS: Mapping[str, Kind] = {
    "decoder-missing": Kind("HEIC or AVIF, and no decoder", f"left out; {decoding.HEIF_INSTALL}"),
    "unreadable": Kind("no picture", "left out; delete it or save it again"),
    "truncated": Kind("damaged or cut short", "left out; copy it again from where it came"),
    "unopened": Kind("cannot be opened", "left out; may it be read by you?"),
    "identical-across-classes": Kind("same file in several classes", "only one can be right"),
    "alike-across-classes": Kind("looks alike in several classes", "is each in its class?"),
    "identical": Kind("same file twice in a class", "kept in one part; one is enough"),
    "alike": Kind("near-duplicates in a class", "kept in one part of the split"),
    "across-split": Kind("looks like a test picture", "left out of training"),
    "ending": Kind("ending of another format", "read as what it is; rename it"),
    "small": Kind("smaller than the input", "enlarged; a larger picture shows more"),
    "animated": Kind("several frames", "the first is used"),
    "deep": Kind("more than 8 bits a channel", "reduced to 8"),
    "cmyk": Kind("CMYK, made for printing", "converted; colours may be off"),
    "grey": Kind("grey", "fine if the camera sees grey, too"),
    "turned": Kind("turned by EXIF", "shown upright, as here"),
    "stray": Kind("no photograph of a class", "left alone"),
    "empty": Kind("folder without pictures", "no class"),
    "hidden": Kind("hidden folder", "left alone"),
    "few": Kind(f"class of fewer than {FEWEST} pictures", "add more"),
    "label": Kind("likely label error", "look at it: is it in the right class?"),
    "uneven": Kind("classes of uneven size", "fine for the default; for the others: fit --balance"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know."""

    kind: str  # key of KINDS
    files: tuple[str, ...]  # relative to the data folder: one, or all of a group, or none
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """All that was found, in the order of KINDS."""

    pictures: Mapping[str, int]  # class -> pictures that can be used
    findings: tuple[Finding, ...]

    def count_kinds(self) -> dict[str, int]:
        """Kind -> number of findings, those that there are."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if found[kind]}


def serialize_audit(audit: Audit) -> str:
    """audit.json."""
    return json.dumps(
        {"counts": audit.count_kinds(), **asdict(audit)}, indent=2, ensure_ascii=False
    )


def audit_dataset(
    found: Dataset,
    entries: Sequence[Entry],
    contract: Contract,
    alike: Sequence[Sequence[int]],
) -> Audit:
    """Describe photographs; `entries` are the store's, `alike` groups of their places."""
    usable = Counter(
        photograph.label
        for photograph, entry in zip(found.photographs, entries, strict=True)
        if not entry.error
    )
    pictures = {name: usable[label] for label, name in enumerate(found.labels)}
    findings = [
        *(finding for entry in entries for finding in _of_file(entry, contract)),
        *(finding for group in alike for finding in _of_group(found, entries, group)),
        *(Finding("stray", (file,), reason) for file, reason in found.ignored.items()),
        *(Finding("empty", (), folder) for folder in found.empty),
        *(Finding("hidden", (), folder) for folder in found.hidden),
        *_of_classes(pictures),
    ]
    order = list(KINDS)
    findings.sort(key=lambda finding: (order.index(finding.kind), finding.files))
    return Audit(pictures, tuple(findings))


def _of_file(entry: Entry, contract: Contract) -> Iterator[Finding]:
    look, files = entry.info, (entry.file,)
    if entry.error:
        yield Finding(_kind_of_error(entry), files, entry.error)
        return
    if discovery.EXTENSIONS[PurePath(entry.file).suffix.lower()] != look.format:
        article = "an" if look.format == "AVIF" else "a"
        yield Finding("ending", files, f"is {article} {look.format}")
    if look.width < contract.width or look.height < contract.height:
        yield Finding("small", files, f"{look.width} x {look.height} px")
    if look.frames > 1:
        yield Finding("animated", files, f"{look.frames} frames")
    if look.bits > 8:
        yield Finding("deep", files, f"{look.bits} bits")
    if look.colour:
        yield Finding(look.colour.lower(), files, look.format)
    if look.orientation in range(2, 9):
        yield Finding("turned", files, f"orientation {look.orientation}")


def _kind_of_error(entry: Entry) -> str:
    if entry.lacks_decoder:
        return "decoder-missing"
    if entry.unopened:
        return "unopened"
    return "truncated" if entry.info.format else "unreadable"


def _of_group(found: Dataset, entries: Sequence[Entry], group: Sequence[int]) -> Iterator[Finding]:
    """What is to be said of pictures that look alike: which are even the same, and where."""
    by_content: dict[str, list[int]] = {}
    for place in group:
        by_content.setdefault(entries[place].sha256, []).append(place)
    for same in by_content.values():
        if len(same) > 1:
            yield _finding("identical", found.photographs, found.labels, same)
    different = [same[0] for same in by_content.values()]
    if len(different) > 1:
        yield _finding("alike", found.photographs, found.labels, different)
    parts = {found.photographs[place].part for place in group}
    if parts >= {TEST} and len(parts) > 1:
        files = tuple(found.photographs[place].file for place in group)
        yield Finding("across-split", files, "in train/ and in test/")


def _finding(
    kind: str, photographs: Sequence[Photograph], labels: Sequence[str], places: Sequence[int]
) -> Finding:
    classes = sorted({photographs[place].label for place in places})
    across = "-across-classes" if len(classes) > 1 else ""
    files = tuple(photographs[place].file for place in places)
    return Finding(kind + across, files, ", ".join(labels[label] for label in classes))


def _of_classes(pictures: Mapping[str, int]) -> Iterator[Finding]:
    for name, count in pictures.items():
        if count < FEWEST:
            yield Finding("few", (), f"{name}: {count}")
    largest, smallest = (
        max(pictures, key=pictures.__getitem__),
        min(pictures, key=pictures.__getitem__),
    )
    if pictures[largest] > MOST_UNEVEN * pictures[smallest]:
        yield Finding(
            "uneven",
            (),
            f"{largest}: {pictures[largest]}, {smallest}: {pictures[smallest]}",
        )
