"""Prometheus: a watch's figures as text, and a file for node_exporter."""
