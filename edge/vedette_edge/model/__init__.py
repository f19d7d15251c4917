"""The model file: contract, graph, interpreter, classifier and self-test."""
