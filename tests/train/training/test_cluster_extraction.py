"""Features, head and weights are the same bytes, whoever computes them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture

from vedette_train.training.cluster_sums import SumTeam
from vedette_train.training.discriminant_head import FittedHead, fit_head
from vedette_train.training.feature_set import FeatureSet

FILES = ("run/Trained_Weight.h5", "run/head.json", "run/contract.json", "run/split.csv")
HASH_FEATURES = """
import hashlib, sys
from functools import partial
from pathlib import Path
import numpy as np, tensorflow as tf
if threads := int(sys.argv[1]):  # else all that there are
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
from vedette_train.config import TrainConfig
from vedette_train.training.closed_form import build_features
from vedette_train.training.feature_cache import Extractor, compute_features, extract_batches
network = build_features(TrainConfig(architecture=sys.argv[2])).network
images = np.random.default_rng(0).integers(0, 256, (17, *network.input_shape[1:])).astype(np.uint8)
extractor = Extractor(network.output_shape[-1], partial(extract_batches, network))
path, hashes = Path(sys.argv[3], f"{threads}.f32"), [f"{number:064x}" for number in range(17)]
compute_features(path, hashes, lambda places: images[places], extractor, lambda: None)
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_run_of_one_or_two_workers_is_that_of_this_process(
    cluster: DaskCluster,  # noqa: F811
    default_run: Path,
    shapes: Path,
    train: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    summing = list[SumTeam | None]()

    def fit_and_note(training: FeatureSet, *rest: Any) -> FittedHead:
        summing.append(training.open_team(training))  # as for many photographs
        return fit_head(training, *rest)

    monkeypatch.setattr("vedette_train.training.closed_form.fit_head", fit_and_note)
    for count in (1, 2):
        cluster.start_workers(PLAIN)
        folder = tmp_path / str(count)
        flags = ("--out", folder / "run", "--store", folder / "store", "--size", "64")
        result = train("fit", shapes, *flags, "--cluster", cluster.address)
        assert result.exit_code == 0, result.stderr
        features = [path.relative_to(folder) for path in folder.glob("store/*/features/*.f32")]
        assert len(features) == 2
        for file in (*map(Path, FILES), *features):
            assert (folder / file).read_bytes() == (default_run / file).read_bytes(), file
    assert [type(one) for one in summing] == [SumTeam, SumTeam]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["efficientnet_lite0", "efficientnet_lite0_tiny"])
def test_the_number_of_threads_changes_no_byte(architecture: str, tmp_path: Path) -> None:
    """A machine that works alone uses all its processors, a worker of a cluster one.

    TensorFlow computes a batch of one image otherwise with several threads.
    """
    hashes = [
        subprocess.run(
            [sys.executable, "-c", HASH_FEATURES, threads, architecture, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("0", "1")
    ]
    assert len(set(hashes)) == 1


def test_a_scheduler_needs_no_tensorflow() -> None:
    code = (
        "import sys, vedette_train.training.cluster_extraction\n"
        "import vedette_train.data.cluster_preparation, vedette_train.training.cluster_sums\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PROVE_NETWORKS = """
import keras, numpy as np, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
from vedette_edge.errors import ClusterError
from vedette_train.training.cluster_extraction import create_job, extract_shard, prove_extraction
from dataclasses import replace
keras.utils.set_random_seed(0)
layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(5)]
job = create_job(keras.Sequential([keras.layers.InputLayer((4, 4, 3)), *layers]))
network = prove_extraction(job)
(features,) = extract_shard(network, [job.probe])
assert (features == job.features).all() and features.shape == (16, 5)
prove_extraction(replace(job, features=None))
nudged = np.nextafter(job.features, np.float32(9))
for other in (replace(job, features=nudged), replace(job, versions={"vedette-train": "0.0.9"})):
    try:
        prove_extraction(other)
    except ClusterError as error:
        print(error)
"""


def test_a_worker_that_computes_other_features_takes_no_part() -> None:
    """In a process of its own, where TensorFlow has not begun."""
    command = [sys.executable, "-c", PROVE_NETWORKS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    features, versions = done.stdout.splitlines()
    assert features.startswith("it computes other features than the machine of the command")
    assert versions == "vedette-train 0.1.0, expected 0.0.9; install the same versions"
