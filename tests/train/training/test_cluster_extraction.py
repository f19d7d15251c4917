"""Features, head and weights are the same bytes, whoever computes them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture

from vedette_edge.errors import ClusterError
from vedette_train.training.cluster_extraction import (
    ExtractionJob,
    Shard,
    extract_shard,
    prove_extraction,
)

FILES = ("run/Trained_Weight.h5", "run/head.json", "run/contract.json", "run/split.csv")
HASH_FEATURES = """
import hashlib, sys
import numpy as np, tensorflow as tf
if threads := int(sys.argv[1]):  # else all that there are
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
from vedette_train.config import TrainConfig
from vedette_train.training.closed_form import build_features
network = build_features(TrainConfig(architecture=sys.argv[2])).network
images = np.random.default_rng(0).integers(0, 256, (16, *network.input_shape[1:])).astype(np.uint8)
print(hashlib.sha256(network.predict_on_batch(images).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_run_of_one_or_two_workers_is_that_of_this_process(
    cluster: DaskCluster,  # noqa: F811
    default_run: Path,
    shapes: Path,
    train: Callable[..., Result],
    tmp_path: Path,
) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["efficientnet_lite0", "efficientnet_lite0_tiny"])
def test_the_number_of_threads_changes_no_byte(architecture: str) -> None:
    """A machine that works alone uses all its processors, a worker of a cluster one."""
    hashes = [
        subprocess.run(
            [sys.executable, "-c", HASH_FEATURES, threads, architecture],
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
        "import vedette_train.data.cluster_preparation\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_worker_keeps_the_networks_that_were_used_last() -> None:
    """In a process of its own, where TensorFlow has not begun."""
    code = """
import numpy as np
from vedette_train.data.workplace import list_versions
from vedette_train.training import cluster_extraction as worker
layers = (
    '{"module": "keras", "class_name": "Sequential", "config": {"name": "n", "layers": ['
    '{"module": "keras.layers", "class_name": "InputLayer",'
    ' "config": {"batch_shape": [null, 2, 2, 3], "dtype": "float32"}},'
    '{"module": "keras.layers", "class_name": "Flatten", "config": {"dtype": "float32"}}]}}'
)
images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
for name in "abcd":
    job = worker.ExtractionJob(name, layers, (), list_versions(worker.PACKAGES))
    assert worker.prove_extraction(job) == ""
(features,) = worker.extract_shard(worker.Shard("a", [images]))
assert (features == images.reshape(2, 12)).all()
assert worker.prove_extraction(worker.ExtractionJob("e", layers, (), {})) == ""
assert list(worker._networks) == ["c", "d", "a", "e"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_with_other_versions_takes_no_part() -> None:
    job = ExtractionJob("run", "", (), {"vedette-train": "0.0.9"})
    assert "vedette-train 0.1.0, expected 0.0.9" in prove_extraction(job)


def test_a_worker_that_was_restarted_says_so() -> None:
    with pytest.raises(ClusterError, match="a worker has lost the network"):
        extract_shard(Shard("forgotten", ()))
