"""The watch: classify the newest frame, smooth the scores, report changes."""
