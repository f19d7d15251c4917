"""The content of the one .tflite file, and the way it is written."""
