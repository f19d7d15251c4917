"""The loop that people write by hand: read, resize, invoke, one picture after the other.

    python plain_loop.py model.tflite pictures.txt [THREADS]

Knows nothing of EXIF, thresholds or damaged files. Its answers are not those of Vedette.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

model, names, *threads = sys.argv[1:]
interpreter = Interpreter(model, num_threads=int(threads[0]) if threads else 2)
interpreter.allocate_tensors()
(taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
_, height, width, _ = taken["shape"]
for name in Path(names).read_text("utf-8").splitlines():
    image_bgr = cv2.imread(name)
    assert image_bgr is not None
    image_rgb = cv2.cvtColor(cv2.resize(image_bgr, (width, height)), cv2.COLOR_BGR2RGB)
    interpreter.set_tensor(taken["index"], image_rgb[np.newaxis].astype(taken["dtype"]))
    interpreter.invoke()
    print(name, interpreter.get_tensor(given["index"])[0].argmax())  # noqa: T201
