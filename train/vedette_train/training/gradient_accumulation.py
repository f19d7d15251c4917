"""Steps over a whole batch in the memory of a small one."""

from typing import Any

import keras
import tensorflow as tf

from vedette_train.models.architectures import Model

MICROBATCH = 32  # pictures whose activations are in memory at a time


class MicroBatched(keras.Model):  # type: ignore[misc]  # keras publishes no types
    """Trains a network; each step sums its gradients over microbatches.

    The step is the same as over the whole batch, since the loss is a mean over pictures, but
    the activations, most of training's memory, are those of a microbatch. Only layers that look
    at their whole batch, as batch normalisation does, see a microbatch instead.
    """

    def __init__(self, network: Model, optimizer: Any, *, soft: bool = False) -> None:
        """With `soft`, labels are rows of target scores; otherwise class indices."""
        super().__init__()
        self.network = network
        # Compiled by XLA, slices of unknown length are refused.
        loss = "categorical_crossentropy" if soft else "sparse_categorical_crossentropy"
        self.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
        self.optimizer.build(network.trainable_variables)

    def call(self, pictures: Any, training: bool = False) -> Any:
        return self.network(pictures, training=training)

    def train_step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        """One step of the optimizer over pictures and their labels."""
        pictures, labels = batch
        count = tf.shape(pictures)[0]

        def gradients(start: Any) -> Any:
            end = start + MICROBATCH
            return self._gradients(pictures[start:end], labels[start:end], count)

        def add(start: Any, sums: list[Any]) -> tuple[Any, list[Any]]:
            more = zip(sums, gradients(start), strict=True)
            return start + MICROBATCH, [total + one for total, one in more]

        _, sums = tf.while_loop(
            lambda start, _: start < count,
            add,
            (MICROBATCH, gradients(0)),
            parallel_iterations=1,
        )
        self.optimizer.apply(sums, self.trainable_weights)
        return dict(self.get_metrics_result())

    def _gradients(self, pictures: Any, labels: Any, count: Any) -> Any:
        """This microbatch's part of the gradients of the mean loss over `count` pictures."""
        here = tf.shape(pictures)[0]
        with tf.GradientTape() as tape:
            scores = self(pictures, training=True)
            loss = self.compute_loss(x=pictures, y=labels, y_pred=scores)
            part = self.optimizer.scale_loss(loss * tf.cast(here / count, loss.dtype))
        for metric in self.metrics:
            if metric.name == "loss":
                # Keras gives each of several devices its share of the loss.
                devices = self.distribute_strategy.num_replicas_in_sync
                metric.update_state(loss * devices, sample_weight=here)
            else:
                metric.update_state(labels, scores)
        return tape.gradient(part, self.trainable_weights)
