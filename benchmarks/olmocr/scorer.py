"""olmOCR-bench's own checks of pages' Markdown, in the environment that holds its package.

    python -m benchmarks.olmocr.scorer CHECKS FOLDER

FOLDER holds `NAME.pdf.md` for each page. Prints a line of JSON for each check: `id`, `type`, and `reason`, empty where
the check is passed; null where it was left out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from olmocr.bench.tests import load_tests

LEFT_OUT = frozenset({"math"})
"""These render formulas, as soon as they are loaded, in a browser that Playwright downloads for itself."""


def main() -> None:
    lines, folder = Path(sys.argv[1]).read_text().splitlines(), Path(sys.argv[2])
    known = {line: json.loads(line) for line in lines if line.strip()}
    for check in known.values():
        if check["type"] in LEFT_OUT:
            print(json.dumps({"id": check["id"], "type": check["type"], "reason": None}))
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as asked:
        asked.write("\n".join(line for line, check in known.items() if check["type"] not in LEFT_OUT))
        asked.flush()
        for check in load_tests(asked.name):
            is_passed, why = check.run((folder / f"{check.pdf}.md").read_text())
            print(json.dumps({"id": check.id, "type": str(check.type), "reason": "" if is_passed else why}))


if __name__ == "__main__":
    main()
