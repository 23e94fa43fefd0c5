"""Downloads everything that the service reads pages with: the layout model, and the weights of the VLM."""

from __future__ import annotations

import argparse

from gateway.layout import fetch_model
from vlm_backend import fetch_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    fetch_weights.add_arguments(parser)
    parser.epilog = "With an option only the weights are downloaded."


def run(options: argparse.Namespace) -> int:
    """The exit status: 0 once all is there and whole."""
    only_weights = options.model or options.to
    layout_status = 0 if only_weights else fetch_model.main([])
    return layout_status or fetch_weights.run(options)
