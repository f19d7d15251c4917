"""Training as a function, and the steps that it shares with `vedette-train fit`."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from vedette_edge.console import Output, create_log_output
from vedette_edge.errors import SettingError
from vedette_train.config import StrPath, TrainConfig
from vedette_train.data.layout import check_outside, resolve_path
from vedette_train.data.remote_folder import DataFolder, open_folder
from vedette_train.data.training_data import check_few, load_training_data
from vedette_train.data.workplace import Workplace
from vedette_train.evaluation.unknown_images import load_unknown_images
from vedette_train.models.pretrained_weights import check_weights
from vedette_train.pipeline.training_run import TrainingRun
from vedette_train.run import folder, previous
from vedette_train.training.run_inputs import RunInputs


def train(
    data: StrPath,
    config: TrainConfig | None = None,
    *,
    out: StrPath,
    resume: bool = False,
    overwrite: bool = False,
) -> TrainingRun:
    """Train a classifier on the photographs in `data`, and write the run folder `out`.

    `data` has one folder for each class, or the folders train and test with those; it is a path or
    a URL. `config` defaults to TrainConfig(). With `resume`, continues an interrupted run in `out`;
    with `overwrite`, replaces the run in it. Logs its progress to the logger "vedette_train". Sets
    TensorFlow's random seed, and makes its operations deterministic.

    Raises SettingError, DatasetError, RunError, WeightsError, ClusterError and RemoteError, which
    are VedetteErrors, and OSError. After KeyboardInterrupt, gradient descent can be resumed. With a
    cluster of this machine, the calling script needs `if __name__ == "__main__":`, since its
    processes load it.
    """
    if not str(out):
        raise SettingError("out is empty, expected a folder; '.' is the current folder")
    config, run = config or TrainConfig(), Path(out)
    photographs = open_folder(data)
    check_folders(photographs, config, run)
    output = create_log_output("vedette_train")
    with folder.remove_unused(run), folder.lock_folder(run):
        folder.check_free(run, config, resume=resume, overwrite=overwrite)
        with open_workplace(config, run, output) as place:
            return run_training(prepare_run(photographs, config, run, place, resume=resume))


def check_folders(data: DataFolder, config: TrainConfig, out: Path) -> None:
    """Raise SettingError or RunError for a run folder that can be none; writes nothing.

    The run folder and the store are outside of all photographs, and no file would be lost.
    """
    for photographs in (data, *map(Path, config.unknown)):
        if isinstance(photographs, Path):
            check_outside(photographs, out, _find_store(config, out))
    if config.start and resolve_path(Path(config.start)) == resolve_path(out):
        raise SettingError(f"--start {config.start} is also --out; choose another folder")
    folder.check_own(out)


def _find_store(config: TrainConfig, out: Path) -> Path:
    return Path(config.store or out.parent / ".store")


@contextmanager
def open_workplace(config: TrainConfig, out: Path, output: Output) -> Iterator[Workplace]:
    """Connect to the cluster of a run, if it has one. Raises ClusterError and SettingError."""
    store = _find_store(config, out)
    if config.cluster is None:
        yield Workplace(output, store)
        return
    from vedette_edge.cluster.session import open_cluster  # dask is an extra

    workers = len(os.sched_getaffinity(0))
    with (
        warnings.catch_warnings(),
        open_cluster(config.cluster, workers, "vedette-train") as client,
    ):
        warnings.filterwarnings("ignore", "Sending large graph")  # a network, once to each worker
        yield Workplace(output, store, client)


def prepare_run(
    data: DataFolder, config: TrainConfig, out: Path, place: Workplace, *, resume: bool
) -> RunInputs:
    """Read everything that a run needs: photographs, an earlier run, unknown pictures."""
    began = time.monotonic()
    check_weights(config.architecture)
    before = previous.load_previous_run(Path(config.start)) if config.start else None
    loaded = load_training_data(data, config, place, before.parts if before else {})
    if not config.test:
        check_few(loaded)
    if before and before.weights and config.descends:
        previous.check_compatible(before, config.architecture, loaded.contract)
    if before:
        place.output.err.print(str(previous.find_changes(before, loaded.label_by_hash)))
    unknown = load_unknown_images(loaded, config, place) if config.unknown else None
    if resume:
        folder.check_same_photographs(out, loaded.manifest)
    return RunInputs(config, loaded, out, place, before, unknown, resume, began)


def run_training(inputs: RunInputs) -> TrainingRun:
    """Train, and write the run folder. Raises KeyboardInterrupt on Ctrl-C."""
    inputs.output.err.print("starting TensorFlow ...")
    # Imported here, because it imports TensorFlow: that takes seconds.
    fitting = import_module("vedette_train.pipeline.fitting")
    run: TrainingRun = fitting.fit_run(inputs)
    return run
