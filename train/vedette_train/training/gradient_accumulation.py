"""Steps over a whole batch that need the memory of a small one.

The optimizers' own `gradient_accumulation_steps` gives other results: it weighs microbatches
equally, also the short last one, and carries a rest over to the next epoch. With `cnn` at 96 px,
545 images and batches of 256, weights after one epoch differ from those of whole batches by 1.5e-3,
here by 1.5e-8. It needs about as much memory (972 MB, here 1,056 MB; whole batches 1,923 MB) and
more time (2.6 s an epoch, here 2.0 s).
"""

from typing import Any

import keras
import tensorflow as tf

from vedette_train.models.architectures import Model

MICROBATCH = 32  # images whose activations are in memory at a time


class AccumulatingModel(keras.Model):  # type: ignore[misc]  # keras publishes no types
    """Trains a network; each step sums its gradients over microbatches.

    The step equals that over the whole batch, since the loss is a mean over images, but the
    activations, which take most of the memory, are those of a microbatch. Only layers that
    compute over their whole batch, such as batch normalisation, see a microbatch instead.
    """

    def __init__(
        self, network: Model, optimizer: Any, *, soft: bool = False, largest: int | None = None
    ) -> None:
        """With `soft`, labels are rows of target scores; otherwise class indices.

        `largest` is the size of the largest batch, if it is known. Up to MICROBATCH, TensorFlow
        need not trace the loop, which takes as long as the rest of the step.
        """
        super().__init__()
        self.network, self._looping = network, largest is None or largest > MICROBATCH
        loss = "categorical_crossentropy" if soft else "sparse_categorical_crossentropy"
        # A metric by name would create its variables in the first step, and TensorFlow would
        # trace that step once more: 6 seconds for EfficientNet-Lite0.
        kind = "CategoricalAccuracy" if soft else "SparseCategoricalAccuracy"
        accuracy = getattr(keras.metrics, kind)(name="accuracy")
        # XLA refuses slices of unknown length.
        self.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)
        self.optimizer.build(network.trainable_variables)

    def call(self, images: Any, training: bool = False) -> Any:
        return self.network(images, training=training)

    def train_step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        """One step of the optimizer over images and their labels."""
        images, labels = batch
        count = tf.shape(images)[0]

        def compute(start: Any) -> Any:
            end = start + MICROBATCH
            return self._compute_gradients(images[start:end], labels[start:end], count)

        def add(start: Any, sums: list[Any]) -> tuple[Any, list[Any]]:
            parts = zip(sums, compute(start), strict=True)
            return start + MICROBATCH, [total + part for total, part in parts]

        sums = compute(0)
        if self._looping:
            first = (MICROBATCH, sums)
            _, sums = tf.while_loop(
                lambda start, _: start < count, add, first, parallel_iterations=1
            )
        self.optimizer.apply(sums, self.trainable_weights)
        return dict(self.get_metrics_result())

    def _compute_gradients(self, images: Any, labels: Any, count: Any) -> Any:
        """This microbatch's part of the gradients of the mean loss over `count` images."""
        size = tf.shape(images)[0]
        with tf.GradientTape() as tape:
            scores = self(images, training=True)
            loss = self.compute_loss(x=images, y=labels, y_pred=scores)
            part = self.optimizer.scale_loss(loss * tf.cast(size / count, loss.dtype))
        for metric in self.metrics:
            if metric.name == "loss":
                # With several devices, Keras gives each its share of the loss.
                devices = self.distribute_strategy.num_replicas_in_sync
                metric.update_state(loss * devices, sample_weight=size)
            else:
                metric.update_state(labels, scores)
        return tape.gradient(part, self.trainable_weights)
