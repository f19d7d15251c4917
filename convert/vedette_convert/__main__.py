"""The program `vedette-convert`."""

from vedette_edge.interrupt import exit_on_interrupt

with exit_on_interrupt():
    from vedette_convert.cli import main

if __name__ == "__main__":
    main()
