"""The fonts that the examples are set in, found on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from itertools import count
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont


class Face(Enum):
    """A typeface in one weight: its file, and its family where the file is a collection."""

    SERIF = ("LiberationSerif-Regular.ttf", None)
    SERIF_BOLD = ("LiberationSerif-Bold.ttf", None)
    SERIF_ITALIC = ("LiberationSerif-Italic.ttf", None)
    SANS = ("DejaVuSans.ttf", None)
    SANS_BOLD = ("DejaVuSans-Bold.ttf", None)
    MONO = ("DejaVuSansMono.ttf", None)
    CJK_SERIF = ("NotoSerifCJK-Regular.ttc", "Noto Serif CJK SC")
    CJK_SERIF_BOLD = ("NotoSerifCJK-Bold.ttc", "Noto Serif CJK SC")

    @property
    def file_name(self) -> str:
        name: str = self.value[0]
        return name

    @property
    def family(self) -> str | None:
        family: str | None = self.value[1]
        return family


Fonts = Callable[[Face, int], FreeTypeFont]
"""Gives a face in a size in pixels."""


class FontsMissingError(Exception):
    """Some faces are not on this machine; the message says which and what to do."""


def find_fonts(font_dir: Path | None = None) -> Fonts:
    """Fonts from the folder `font_dir`, or else from those that fontconfig knows.

    Raises FontsMissingError.
    """
    files = _files_of_folder(font_dir) if font_dir else _files_of_fontconfig()
    missing = sorted({face.file_name for face in Face} - files.keys())
    if missing:
        raise FontsMissingError(
            f"Fonts are missing: {', '.join(missing)}; install them (Debian: fonts-liberation fonts-dejavu "
            "fonts-noto-cjk) or name their folder with --font-dir."
        )
    return _loader(files)


def _files_of_folder(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}


def _files_of_fontconfig() -> dict[str, Path]:
    program = shutil.which("fc-list")
    if program is None:
        return {}
    listed = subprocess.run([program, "--format", "%{file}\n"], capture_output=True, text=True, check=True).stdout
    return {path.name: path for path in map(Path, sorted(listed.splitlines()))}


def _loader(files: Mapping[str, Path]) -> Fonts:
    @cache
    def load(face: Face, size: int) -> FreeTypeFont:
        path = files[face.file_name]
        index = _index_in_collection(path, face.family) if face.family else 0
        # The basic engine is in every Pillow; Raqm, where present, would place glyphs by its own version's rules.
        return ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.BASIC)

    return load


@cache
def _index_in_collection(path: Path, family: str) -> int:
    """Place of `family` in a font collection; raises OSError past its last font."""
    return next(index for index in count() if ImageFont.truetype(path, 12, index=index).getname()[0] == family)
