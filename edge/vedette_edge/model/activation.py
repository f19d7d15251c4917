"""The function that turns logits into scores."""

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """exp(x) over its sum along the last axis, float32, 0..1; each row sums to 1.

    The maximum is subtracted first, so that nothing overflows.
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
