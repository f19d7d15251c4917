"""Conversion as a function, and the steps that it shares with `vedette-convert`."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vedette_convert.errors import KerasFileError, RefusedError
from vedette_convert.quantization.scheme import ConvertConfig
from vedette_convert.run import ExternalModel, Source, StrPath
from vedette_convert.sources.keras_file import check_external_model
from vedette_convert.sources.run_folder import FILES, load_run
from vedette_edge.console import Output, create_log_output
from vedette_edge.errors import SettingError
from vedette_edge.files import read_bounded
from vedette_edge.model.model_file import CONTRACT_MEMBER

if TYPE_CHECKING:  # it imports TensorFlow
    from vedette_convert.candidates import ConversionResult

SAVED_MODEL = "saved_model.pb"  # in each SavedModel's folder
OUR_MODEL = CONTRACT_MEMBER.encode()  # in each model file of conversion
# Suffix of a file beside the model file -> bytes in each one that conversion wrote.
OURS = {
    ".report.html": b"vedette-convert",
    ".judgement.csv": b"truth,float_label",
    ".refused.csv": b"truth,float_label",
    ".log": b"",  # any, as conversion appends to it
}
FOREIGN = {
    ".tflite": "is converted already, and cannot be quantized again; use the Keras model",
    ".onnx": "is an ONNX model; use the Keras model that it came from",
    ".pt": "is a PyTorch model, which Vedette cannot read; export it to Keras or a SavedModel",
    ".pth": "is a PyTorch model, which Vedette cannot read; export it to Keras or a SavedModel",
    ".pb": "is a part of a SavedModel or a frozen graph; use the SavedModel's folder",
}


def convert(
    source: StrPath | ExternalModel,
    config: ConvertConfig | None = None,
    *,
    out: StrPath | None = None,
    data: StrPath | None = None,
) -> "ConversionResult":
    """Convert a trained run, or a model from elsewhere, to one .tflite file.

    `source` is a run folder, the TrainingRun of vedette_train.train, or an ExternalModel. `out`
    defaults to model.tflite in the run folder, or to MODEL.tflite beside the external model.
    `data` is the folder of the run's photographs, or its URL, if they have moved. Logs to
    "vedette_convert".

    Raises RefusedError if every attempt is worse than the float model; `out` then stays as it
    was. Raises other VedetteErrors for what cannot be converted, and OSError.
    """
    file = check_arguments(source, out, data)
    loaded = load_source(source, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    output = create_log_output("vedette_convert")
    result = run_conversion(loaded, file, config or ConvertConfig(), output)
    if not result.passed:
        reasons = "; ".join(result.best.objections)
        raise RefusedError(f"{file}: not written; it {reasons}. See {result.report}", result)
    return result


def check_arguments(
    source: StrPath | ExternalModel, out: StrPath | None, data: StrPath | None
) -> Path:
    """Check the paths of a conversion. Returns the model file to write.

    Raises KerasFileError for a source that is not of its kind or cannot be converted, and
    SettingError for other paths that cannot be used, or if the conversion would overwrite its
    source or a file that no conversion wrote.
    """
    described = source if isinstance(source, ExternalModel) else None
    path = Path(source.path if isinstance(source, ExternalModel) else source)
    _check_source(path, described)
    if described and data:
        raise SettingError("--data is for runs; use --calibrate")
    file = Path(out or _name_out(path))
    try:
        file.absolute()
    except FileNotFoundError as error:
        raise SettingError("the working directory was removed; change to another one") from error
    _check_out(file, _list_parts(path, described))
    return file


def load_source(source: StrPath | ExternalModel, data: StrPath | None) -> Source:
    """Read a run, or check the files of an external model, without TensorFlow.

    Raises RunFolderError, KerasFileError, LabelsError or SettingError.
    """
    if not isinstance(source, ExternalModel):
        return load_run(Path(source), data)
    check_external_model(source)
    return source


def run_conversion(
    source: Source, out: Path, config: ConvertConfig, output: Output
) -> "ConversionResult":
    """Load a model, convert it, and write the report. Writes `out` if a candidate passes."""
    output.err.print("starting TensorFlow ...")
    # Imported here, because it imports TensorFlow: that takes seconds.
    conversion = import_module("vedette_convert.pipeline.conversion")
    result: ConversionResult = conversion.convert_source(source, out, config, output)
    return result


def is_external(source: Path) -> bool:
    """True for a model that Vedette did not train: a file, or the folder of a SavedModel."""
    return source.is_file() or (source / SAVED_MODEL).exists()


def _check_source(path: Path, described: ExternalModel | None) -> None:
    if reason := FOREIGN.get(path.suffix.lower()):
        raise KerasFileError(f"{path}: {reason}")
    if not path.exists():
        raise KerasFileError(f"{path}: not found")
    if is_external(path) and not described:
        raise KerasFileError(
            f"{path}: is not a run of vedette-train: use --labels to name its outputs, and "
            "--calibrate for a folder of photographs (in Python, ExternalModel)"
        )
    if described and not is_external(path):
        raise KerasFileError(
            f"{path}: expected a Keras file or the folder of a SavedModel. A run of vedette-train "
            "has its own labels and photographs: convert its folder alone"
        )


def _name_out(source: Path) -> Path:
    """Name the default model file: in the run's folder, or beside the external model."""
    if not is_external(source):
        return source / "model.tflite"
    named = source if source.name not in ("", "..") else source.resolve()
    if not named.name:
        raise SettingError(f"{source} has no name for the model file: use --out")
    return named.with_name(f"{named.stem if named.is_file() else named.name}.tflite")


def _list_parts(path: Path, described: ExternalModel | None) -> list[Path]:
    """List the files that a conversion reads, but for photographs."""
    saved = (path / SAVED_MODEL).exists()
    parts = list(path.rglob("*")) if saved else [path, *map(path.joinpath, FILES)]
    parts += [Path(described.labels)] if described else []
    return [one for one in parts if one.is_file()]


def _check_out(out: Path, parts: Sequence[Path]) -> None:
    """Raise SettingError if an output would overwrite a part of the source, or a foreign file."""
    if out.suffix.lower() != ".tflite":
        raise SettingError(f"--out {out}: expected a name that ends in .tflite")
    outputs = {out: OUR_MODEL, **{out.with_suffix(end): mark for end, mark in OURS.items()}}
    for path, mark in outputs.items():
        if not path.is_file():
            continue
        if same := [one for one in parts if path.samefile(one)]:
            raise SettingError(
                f"--out {out}: would overwrite {same[0]}, a part of what is converted. "
                "Choose another name"
            )
        # An empty file, such as one of mktemp, holds nothing to lose.
        if mark and (content := read_bounded(path)) and mark not in content:
            raise SettingError(
                f"{path}: would be overwritten, but is not from vedette-convert. Move that file, "
                "or choose another name with --out"
            )
