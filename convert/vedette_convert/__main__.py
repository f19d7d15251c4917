"""Run the command line: `python -m vedette_convert`."""

from vedette_convert.cli import main

if __name__ == "__main__":
    main()
