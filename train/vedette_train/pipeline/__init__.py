"""One run of training, from a folder of photographs to a finished run folder."""
