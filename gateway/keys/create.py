"""A new key, and what of it belongs into `API_KEYS_FILE`: the command `paddleocr-vl create-key`."""

from __future__ import annotations

import argparse
import re
import secrets
from typing import get_args

import yaml

from gateway.keys.accounts import Scope
from gateway.keys.keyring import ALL_BUT_ADMIN, NAME, digest_of

_KEY_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=_parse_name, help="whose key it is: letters, digits, dot, underscore, hyphen")
    parser.add_argument(
        "--scopes", nargs="+", choices=get_args(Scope), default=sorted(ALL_BUT_ADMIN), help="what it may do"
    )


def run(options: argparse.Namespace) -> int:
    key = f"pvl_{secrets.token_urlsafe(_KEY_BYTES)}"
    entry = {"name": options.name, "hashes": [f"sha256:{digest_of(key)}"], "scopes": options.scopes}
    print(f"# The key, which is told only here: {key}")  # noqa: T201
    print(yaml.safe_dump([entry], sort_keys=False), end="")  # noqa: T201
    return 0


def _parse_name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a key")
    return text
