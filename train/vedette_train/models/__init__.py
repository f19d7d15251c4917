"""Architectures and pretrained backbones."""
