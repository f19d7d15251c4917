"""The files of a run: its report page, its plots and the rest of its folder."""
