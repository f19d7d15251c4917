"""Work on a Dask cluster, on this machine or on many, with results in order."""

LOCAL = "local"  # the address of a cluster that is started on this machine
