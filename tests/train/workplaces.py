"""A place to work in for functions that are tested alone."""

from pathlib import Path

from vedette_edge.console import create_log_output
from vedette_train.data.workplace import Cluster, Workplace


def work_in(store: Path, cluster: Cluster = None) -> Workplace:
    """Work in a store; what is printed goes to a logger."""
    return Workplace(create_log_output("vedette_train"), store, cluster)
