"""`vedette inspect`: the contents of a model file."""

import json
from pathlib import Path

import click

from vedette_edge.cli.options import json_option, model_argument, model_options
from vedette_edge.console import cli_session
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.description import as_text, describe_model
from vedette_edge.model.overrides import ModelOverrides

EXAMPLES = """\b
Examples:
  vedette inspect model.tflite
  vedette inspect model.tflite --json | jq .contract.labels
"""


@click.command(epilog=EXAMPLES)
@model_argument
@json_option
@model_options
def inspect(model: Path, as_json: bool, overrides: ModelOverrides) -> None:
    """Show what a model file contains: contract, labels, tensors, sizes."""
    with cli_session() as terminal:
        description = describe_model(Classifier(model, overrides=overrides))
        if as_json:
            terminal.out.print(json.dumps(description, indent=2, ensure_ascii=False))
        else:
            terminal.out.print(as_text(description))
