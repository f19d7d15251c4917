"""Work on a Dask cluster: on this machine or on many, in order."""
