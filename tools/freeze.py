"""Records the packages of an interpreter, and says what has changed since.

    PYTHON -I tools/freeze.py           prints the record of PYTHON
    PYTHON -I tools/freeze.py RECORD    one line for each difference to it, and exit status 1 where there is one

A record is what `pip freeze` prints and, of what vLLM's engine is made of, every file with its size: the metadata of
packages still claims the old version after another package has written over a library. Standard library only, and no
other module: it runs in environments that are not ours.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

ENGINE = re.compile(r"(vllm|torch|triton|nvidia|flashinfer)(-.+)?")
"""Distributions that must stay exactly as vLLM's release has them, as regular names."""


def record() -> list[str]:
    """The lines, sorted."""
    found = list(distributions())
    versions = {f"{regular_name(item)}=={item.version}" for item in found}
    sizes = {line for item in found if ENGINE.fullmatch(regular_name(item)) for line in file_lines(item)}
    return sorted(versions) + sorted(sizes)


def regular_name(distribution: Distribution) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", distribution.name).lower()


def file_lines(distribution: Distribution) -> Iterator[str]:
    """`NAME PATH SIZE`; compiled Python and what is not there are left out."""
    for file in distribution.files or []:
        path = Path(str(file.locate()))
        if path.suffix != ".pyc" and path.is_file():
            yield f"{regular_name(distribution)} {file} {path.stat().st_size}"


def differences(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """One line each: `- ` for what is gone, `+ ` for what is new."""
    gone, new = set(before) - set(after), set(after) - set(before)
    return [f"- {line}" for line in sorted(gone)] + [f"+ {line}" for line in sorted(new)]


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        sys.stdout.write("".join(f"{line}\n" for line in record()))
        return 0
    changed = differences(Path(arguments[0]).read_text(encoding="utf-8").splitlines(), record())
    sys.stderr.write("".join(f"{line}\n" for line in changed))
    if changed:
        sys.stderr.write(f"{len(changed)} differences: these are not the packages that the record was made of.\n")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
