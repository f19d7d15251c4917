"""Vedette's training: photographs in class folders become a run folder."""
