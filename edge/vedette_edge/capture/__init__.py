"""The capture process, which takes and prepares frames, and its supervisor."""
