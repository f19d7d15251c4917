"""One seeded run: prepared photographs become a trained model and all that belongs to it."""

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from vedette_edge.atomic import write_text
from vedette_edge.contract import to_json
from vedette_train import checkpoint, plots, run_folder, split, training
from vedette_train.architectures import ARCHITECTURES, Model
from vedette_train.batches import Batches
from vedette_train.dataset import TEST, TRAIN
from vedette_train.evaluate import Evaluation, evaluate
from vedette_train.history import Epoch, best
from vedette_train.material import Material
from vedette_train.microbatch import MICROBATCH
from vedette_train.settings import Settings


def fit(material: Material, chosen: Settings, run: Path, terminal: Console) -> dict[str, Any]:
    """Train and evaluate; RUN/ then holds everything. Returns what metrics.json says.

    Continues where RUN/checkpoint.npz stands, if it does. Raises KeyboardInterrupt on Ctrl-C.
    """
    began = time.monotonic()
    keras.utils.set_random_seed(chosen.seed)
    _record(material, chosen, run)
    model = _model(material, chosen, run)
    batches = _batches(material, TRAIN, chosen.batch_size, seed=chosen.seed)
    validation = _batches(material, split.VALIDATION)
    history = training.train(model, batches, validation, chosen.epochs, run, terminal)
    fitted = time.monotonic()

    kept = keras.models.load_model(run / run_folder.WEIGHTS, compile=False)
    evaluation = evaluate(kept, _batches(material, TEST), material.contract.labels)
    plots.draw_curves(history, run / run_folder.CURVES)
    plots.draw_confusion(evaluation, run / run_folder.CONFUSION)
    metrics = _metrics(evaluation, history, material)
    metrics["seconds"] = {"fit": fitted - began, "all": time.monotonic() - began}
    _conclude(material, metrics, run)
    return metrics


def _record(material: Material, chosen: Settings, run: Path) -> None:
    """Write down before training what is known before it."""
    run_folder.write_settings(run, chosen)
    write_text(run / run_folder.MANIFEST, material.manifest)
    write_text(run / run_folder.CONTRACT, to_json(material.contract) + "\n")
    rows, labels = material.part(TRAIN)
    _, first = np.unique(labels, return_index=True)
    rank = np.arange(len(labels)) - first[labels]  # photographs stand class by class
    shown = np.lexsort((labels, rank))[: plots.MOST_SAMPLES]  # one of each class, then a second
    names = [material.contract.labels[label] for label in labels[shown]]
    plots.draw_samples(list(material.store.take(rows[shown])), names, run / run_folder.SAMPLES)


def _model(material: Material, chosen: Settings, run: Path) -> Model:
    contract = material.contract
    build = ARCHITECTURES[chosen.architecture]
    model = build(contract.height, contract.width, len(contract.labels))
    optimizer = keras.optimizers.get(chosen.optimizer)
    optimizer.learning_rate = chosen.learning_rate
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    if (run / run_folder.CHECKPOINT).exists():
        checkpoint.restore(model, run / run_folder.CHECKPOINT)
    return model


def _batches(
    material: Material, part: str, size: int = MICROBATCH, seed: int | None = None
) -> Batches:
    rows, labels = material.part(part)
    return Batches(material.store, rows, labels, size, seed)


def _metrics(evaluation: Evaluation, history: list[Epoch], material: Material) -> dict[str, Any]:
    kept = best(history)
    return {
        "test_accuracy": evaluation.accuracy,
        "test_pictures": len(evaluation.truth),
        "validation_accuracy": kept.val_accuracy,
        "best_epoch": kept.epoch,
        "epochs": len(history),
        "peak_memory_mb": _peak_memory_mb(),
        "per_class": evaluation.per_class(),
        "left_out": material.left_out,
    }


def _peak_memory_mb() -> float:
    """The most memory this process has held, in MB of 10**6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes there, KiB here


def _conclude(material: Material, metrics: dict[str, Any], run: Path) -> None:
    """Write down what came of it; there is then nothing left to resume."""
    write_text(run / run_folder.METRICS, json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    accuracies = {"float_test": metrics["test_accuracy"]}
    provenance = replace(material.contract.provenance, accuracies=accuracies)
    write_text(
        run / run_folder.CONTRACT, to_json(replace(material.contract, provenance=provenance)) + "\n"
    )
    (run / run_folder.CHECKPOINT).unlink(missing_ok=True)
