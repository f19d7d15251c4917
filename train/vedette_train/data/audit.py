"""Problems of a data set that make its figures doubtful: damaged, duplicate, odd or few images."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from vedette_edge.images import decoding, discovery
from vedette_edge.model.contract import Contract
from vedette_train.data.discovery import LINKS, Dataset, Photograph, group_alike
from vedette_train.data.layout import TEST
from vedette_train.data.preparation import Entry

FEWEST = 20  # images of a class that can be learned from
MOST_UNEVEN = 3  # times as many in the largest class as in the smallest


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A kind of finding, in the user's words."""

    title: str
    advice: str


_KINDS = (
    ("decoder-missing", "HEIC or AVIF without a decoder", f"left out; {decoding.HEIF_INSTALL}"),
    ("unreadable", "not a picture", "left out; delete it or save it again"),
    ("truncated", "damaged or cut short", "left out; copy it again from its source"),
    ("unopened", "cannot be opened", "left out; check its permissions"),
    ("link", "link that is not followed", "left out; put the pictures themselves there"),
    ("identical-across-classes", "same file in several classes", "only one can be right"),
    ("alike-across-classes", "near-duplicates in several classes", "check the class of each"),
    ("identical", "same file twice in a class", "one is enough"),
    ("alike", "near-duplicates in a class", "never on both sides of the split"),
    ("across-split", "looks like a test picture", "left out of training"),
    ("unused", "JPEG with unused data", "check that the picture is whole; if not, delete it"),
    ("ending", "wrong file extension", "read by its content; rename it"),
    ("small", "smaller than the input", "enlarged; a larger picture shows more"),
    ("animated", "several frames", "the first is used"),
    ("deep", "more than 8 bits a channel", "reduced to 8"),
    ("cmyk", "CMYK, for printing", "converted; colours may be off"),
    ("grey", "grey", "fine if the camera sees grey, too"),
    ("turned", "turned by EXIF", "turned upright"),
    ("stray", "not a photograph of a class", "ignored"),
    ("empty", "folder without pictures", "not a class"),
    ("hidden", "hidden folder", "ignored"),
    ("few", "class with few pictures", f"add more: at least {FEWEST} are good"),
    ("label", "likely label error", "check that it is in the right class"),
    ("uneven", "classes of uneven size", "fine for the default; for the others: fit --balance"),
)
FINDING_KINDS: Mapping[str, FindingKind] = {
    key: FindingKind(title, advice) for key, title, advice in _KINDS
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem that a person should know of."""

    kind: str  # key of FINDING_KINDS
    files: tuple[str, ...]  # relative to the data folder: one, or all of a group, or none
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings, in the order of FINDING_KINDS. The field names are keys of audit.json."""

    pictures: Mapping[str, int]  # class -> usable images
    findings: tuple[Finding, ...]

    def count_kinds(self) -> dict[str, int]:
        """Kind -> number of findings, in the order of FINDING_KINDS, without zeros."""
        counts = Counter(finding.kind for finding in self.findings)
        return {kind: counts[kind] for kind in FINDING_KINDS if counts[kind]}


def serialize_audit(audit: Audit) -> str:
    """The text of audit.json."""
    content = {"counts": audit.count_kinds(), **asdict(audit)}
    return json.dumps(content, indent=2, ensure_ascii=False)


def audit_dataset(dataset: Dataset, entries: Sequence[Entry], contract: Contract) -> Audit:
    """Audit a data set whose photographs are read and compared, by its cache entries."""
    usable = [photograph for photograph in dataset.photographs if photograph.sha256]
    counts = Counter(photograph.label for photograph in usable)
    pictures = {name: counts[label] for label, name in enumerate(dataset.labels)}
    findings = [
        *(finding for entry in entries for finding in _audit_file(entry, contract)),
        *(finding for group in group_alike(usable) for finding in _audit_group(group, dataset)),
        *_audit_ignored(dataset.ignored),
        *(Finding("empty", (), folder) for folder in dataset.empty),
        *(Finding("hidden", (), folder) for folder in dataset.hidden),
        *_audit_classes(pictures),
    ]
    findings.sort(key=lambda finding: finding.files)
    return Audit(pictures, sort_by_kind(findings))


def sort_by_kind(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings in the order of FINDING_KINDS, those of a kind as they come."""
    order = list(FINDING_KINDS)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.kind)))


def _audit_ignored(ignored: Mapping[str, str]) -> Iterator[Finding]:
    for file, reason in ignored.items():
        yield Finding("link" if reason in LINKS else "stray", (file,), reason)


def _audit_file(entry: Entry, contract: Contract) -> Iterator[Finding]:
    info, files = entry.info, (entry.file,)
    if entry.error:
        yield Finding(_classify_error(entry), files, entry.error)
        return
    article = "an" if info.format == "AVIF" else "a"
    ending = discovery.EXTENSIONS[PurePath(entry.file).suffix.lower()]
    small = info.width < contract.width or info.height < contract.height
    facts = (
        ("unused", info.unused > 0, f"{info.unused} bytes"),
        ("ending", ending != info.format, f"is {article} {info.format}"),
        ("small", small, f"{info.width} x {info.height} px"),
        ("animated", info.frames > 1, f"{info.frames} frames"),
        ("deep", info.bits > 8, f"{info.bits} bits"),
        (info.colour.lower(), info.colour, info.format),
        ("turned", info.orientation in range(2, 9), f"orientation {info.orientation}"),
    )
    yield from (Finding(kind, files, detail) for kind, true, detail in facts if true)


def _classify_error(entry: Entry) -> str:
    if entry.lacks_decoder:
        return "decoder-missing"
    if entry.unopened:
        return "unopened"
    return "truncated" if entry.info.format else "unreadable"


def _audit_group(group: Sequence[Photograph], dataset: Dataset) -> Iterator[Finding]:
    """Findings on images that look alike: identical files, near-duplicates, and a leak."""
    by_content: dict[str, list[Photograph]] = {}
    for photograph in group:
        by_content.setdefault(photograph.sha256, []).append(photograph)
    for same in by_content.values():
        if len(same) > 1:
            yield _describe_copies("identical", same, dataset)
    different = [same[0] for same in by_content.values()]
    if len(different) > 1:
        yield _describe_copies("alike", different, dataset)
    parts = {photograph.part for photograph in group}
    if parts >= {TEST} and len(parts) > 1:
        files = tuple(photograph.file for photograph in group)
        folders = sorted({file.partition("/")[0] for file in files})
        yield Finding("across-split", files, " and ".join(f"in {folder}/" for folder in folders))


def _describe_copies(kind: str, photographs: Sequence[Photograph], dataset: Dataset) -> Finding:
    labels = sorted({photograph.label for photograph in photographs})
    across = "-across-classes" if len(labels) > 1 else ""
    files = tuple(photograph.file for photograph in photographs)
    return Finding(kind + across, files, ", ".join(dataset.labels[label] for label in labels))


def _audit_classes(pictures: Mapping[str, int]) -> Iterator[Finding]:
    for name, count in pictures.items():
        if count < FEWEST:
            yield Finding("few", (), f"{name}: {count}")
    largest = max(pictures, key=pictures.__getitem__)
    smallest = min(pictures, key=pictures.__getitem__)
    if pictures[largest] > MOST_UNEVEN * pictures[smallest]:
        detail = f"{largest}: {pictures[largest]}, {smallest}: {pictures[smallest]}"
        yield Finding("uneven", (), detail)
