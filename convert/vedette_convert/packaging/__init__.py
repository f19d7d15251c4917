"""What goes into the one .tflite file, and how it is written."""
