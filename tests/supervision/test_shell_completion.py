"""Shells complete the command by the scripts that it prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.paddleocr_vl_client.commands.command import run

_BASH = 'source ./script; COMP_WORDS=(paddleocr-vl {}); COMP_CWORD=1; _shtab_paddleocr_vl; echo "${{COMPREPLY[@]}}"'
_PROGRAMS = {
    "bash": ["bash", "-c", _BASH.format("wa")],
    "fish": ["fish", "-c", "source ./script; complete -C 'paddleocr-vl wa'"],
    "zsh": ["zsh", "-fc", "autoload -U compinit; compinit -u; source ./script; echo $_comps[paddleocr-vl] watch"],
}


@pytest.mark.parametrize("shell", sorted(_PROGRAMS))
def test_a_subcommand_is_completed(tmp_path: Path, shell: str) -> None:
    script = run(tmp_path, "completion", shell)
    assert script.returncode == 0
    (tmp_path / "script").write_bytes(script.stdout)
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    done = subprocess.run(_PROGRAMS[shell], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0].startswith("watch" if shell != "zsh" else "_shtab"), done.stderr


def test_files_are_completed(tmp_path: Path) -> None:
    (tmp_path / "script").write_bytes(run(tmp_path, "completion", "bash").stdout)
    (tmp_path / "scan.pdf").touch()
    words = "COMP_WORDS=(paddleocr-vl read sca); COMP_CWORD=2; _shtab_paddleocr_vl"
    show = ["bash", "-c", f'source ./script; {words}; echo "${{COMPREPLY[@]}}"']
    done = subprocess.run(show, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["scan.pdf"]
