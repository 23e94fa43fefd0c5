"""Writes the Grafana dashboard and the Prometheus alert rules: deploy/monitoring/ for everybody, and copies of them
where the Helm chart finds them.

python -m tools.monitoring
"""

from __future__ import annotations

from pathlib import Path

from tools.monitoring.files import make_files

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "deploy" / "monitoring", ROOT / "deploy" / "helm" / "paddleocr-vl-service" / "files")


def main() -> None:
    for folder in FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in make_files().items():
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
