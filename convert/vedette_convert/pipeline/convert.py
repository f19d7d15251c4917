"""Conversion as a function, and the steps that it shares with `vedette-convert`."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vedette_convert.errors import KerasFileError, RefusedError
from vedette_convert.quantization.scheme import ConvertConfig
from vedette_convert.run import ExternalModel, Run, Source, StrPath
from vedette_convert.sources.keras_file import check_labels
from vedette_convert.sources.run_folder import FILES, load_run
from vedette_edge.console import Output, create_log_output
from vedette_edge.errors import SettingError

if TYPE_CHECKING:  # it imports TensorFlow
    from vedette_convert.candidates import ConversionResult

SAVED_MODEL = "saved_model.pb"  # in each SavedModel's folder
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
    `data` is the folder of the run's photographs, if they have moved. Logs to "vedette_convert".

    Raises RefusedError if every attempt is worse than the float model; `out` then stays as it
    was. Raises other VedetteErrors for what cannot be converted, and OSError.
    """
    path = Path(source.path if isinstance(source, ExternalModel) else source)
    check_source(path)
    file = Path(out or name_out(path))
    check_out(file, path)
    loaded = source if isinstance(source, ExternalModel) else _load_folder(path, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    output = create_log_output("vedette_convert")
    result = run_conversion(loaded, file, config or ConvertConfig(), output)
    if not result.passed:
        reasons = "; ".join(result.best.objections)
        raise RefusedError(f"{file}: not written; it {reasons}. See {result.report}", result)
    return result


def _load_folder(path: Path, data: StrPath | None) -> Run:
    if is_external(path):
        raise KerasFileError(
            f"{path}: not a run folder of vedette-train; use ExternalModel to describe the model"
        )
    return load_run(path, Path(data) if data else None)


def run_conversion(
    source: Source, out: Path, config: ConvertConfig, output: Output
) -> "ConversionResult":
    """Load a model, convert it, and write the report. Writes `out` if a candidate passes."""
    if isinstance(source, ExternalModel):
        check_labels(source)
    output.err.print("starting TensorFlow ...")
    # Imported here, because it imports TensorFlow: that takes seconds.
    conversion = import_module("vedette_convert.pipeline.conversion")
    result: ConversionResult = conversion.convert_source(source, out, config, output)
    return result


def is_external(source: Path) -> bool:
    """True for a model that Vedette did not train: a file, or the folder of a SavedModel."""
    return source.is_file() or (source / SAVED_MODEL).exists()


def check_source(source: Path) -> None:
    """Raise KerasFileError for a kind of file that cannot be converted."""
    if reason := FOREIGN.get(source.suffix.lower()):
        raise KerasFileError(f"{source}: {reason}")


def name_out(source: Path) -> Path:
    """Name the default model file: in the run's folder, or beside the external model."""
    if not is_external(source):
        return source / "model.tflite"
    named = source if source.name not in ("", "..") else source.resolve()
    if not named.name:
        raise SettingError(f"{source} has no name for the model file: use --out")
    return named.with_name(f"{named.stem if named.is_file() else named.name}.tflite")


def check_out(out: Path, source: Path) -> None:
    """Raise SettingError if the model file or its log would overwrite a part of the source."""
    if out.suffix.lower() != ".tflite":
        raise SettingError(f"--out {out}: expected a name that ends in .tflite")
    inside = source.rglob("*") if (source / SAVED_MODEL).exists() else map(source.joinpath, FILES)
    parts = [one for one in ((source,) if source.is_file() else inside) if one.is_file()]
    for path in (out, out.with_suffix(".log")):
        for one in parts:
            if path.exists() and path.samefile(one):
                raise SettingError(
                    f"--out {out}: would overwrite {one}, a part of what is converted. "
                    "Choose another name"
                )
