"""Work on a Dask cluster, on this machine or on many, with results in order."""

CHECK_WORKER = "the command can read it, so check this worker's network and credentials"
LOCAL = "local"  # the address of a cluster that is started on this machine
