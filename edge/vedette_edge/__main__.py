"""The command line of the edge: `vedette`."""

from vedette_edge.interrupt import exit_on_interrupt

with exit_on_interrupt():
    import atexit
    import os
    import threading

    import click

    from vedette_edge.click_types import LazyGroup

COMMANDS = {
    "predict": ("vedette_edge.cli.predict:predict", "Classify pictures in files."),
    "run": ("vedette_edge.cli.run:run", "Watch a camera and report when the label changes."),
    "log": ("vedette_edge.cli.log:log", "Show what the watch has logged."),
    "on": ("vedette_edge.cli.on:on", "Run a command when the label changes."),
    "page": ("vedette_edge.cli.page:page", "Show a watch, and why it says so, in a browser."),
    "fleet": ("vedette_edge.cli.fleet:fleet", "Show all devices of an MQTT broker on one page."),
    "inspect": ("vedette_edge.cli.inspect:inspect", "Show what a model file contains."),
    "check": ("vedette_edge.cli.check:check", "Find what is wrong, and how to fix it."),
    "mqtt": ("vedette_edge.cli.mqtt:mqtt", "Remove this device from an MQTT broker."),
    "bench": ("vedette_edge.cli.bench:bench", "Measure how fast the watch is."),
}


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    import_hint="'vedette check' shows how to fix it",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="vedette-edge")
def main() -> None:
    """Classify pictures and camera frames with one model file.

    Results go to standard output, everything else to standard error.

    \b
    Exit codes:
      0    success
      1    failure: the message says what to do next
      2    wrong command line
      4    some pictures could not be read
      130  interrupted
    """


def start() -> None:
    """Run a command and end the process: for the program, not for Python that calls `main`.

    A slow machine or a disk may hold up a daemon thread until after the command. While Python
    finalizes itself, it unwinds such a thread's stack (up to 3.13), and within OpenCV this aborts
    the process. So beside such a thread, the process ends after the handlers of atexit, with the
    command's exit code. By then, commands have flushed what they print.
    """
    code = 1  # of a bug

    def end_beside_threads() -> None:
        if any(thread.daemon for thread in threading.enumerate()):
            os._exit(code)

    atexit.register(end_beside_threads)  # it runs after those that commands register
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


if __name__ == "__main__":
    start()
