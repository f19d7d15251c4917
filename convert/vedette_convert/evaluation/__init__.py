"""The evaluation of a .tflite file against the float model that it comes from."""
