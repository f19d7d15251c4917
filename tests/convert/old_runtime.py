"""Asks tflite-runtime, in whose own environment this runs, without Vedette.

python old_runtime.py offer FOLDER            which graphs are accepted: a name a line
python old_runtime.py scores MODEL INPUT.npy  scores of each input: an array of JSON a line
"""

import json
import sys
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter


def offer(folder: str) -> None:
    """Print the names of the graphs in a folder that an interpreter can be built of."""
    for path in sorted(Path(folder).iterdir()):
        try:
            Interpreter(model_content=path.read_bytes())
        except ValueError:
            continue
        print(path.name)  # noqa: T201


def print_scores(model: str, inputs: str) -> None:
    """Print what the model gives for each input of an array."""
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    for one in np.load(inputs):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], one[np.newaxis])
        interpreter.invoke()
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        print(json.dumps(output[0].tolist()))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "offer":
        offer(sys.argv[2])
    else:
        print_scores(*sys.argv[2:])
