"""The model file: graph, metadata, contract and golden samples in one."""
