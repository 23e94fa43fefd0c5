"""The fonts of this machine, and which of them stands in for one that a PDF names and does not hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SYSTEM_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/usr/share/X11/fonts"))
_WHEELS = ("fontpkg_arimo", "fontpkg_roboto_mono")
"""Wheels with fonts for Latin, Greek and Cyrillic, as wide as Arial and as Courier, for machines that have none."""
_SUFFIXES = frozenset({".ttf", ".ttc", ".otf", ".otc"})
_MAX_FILES = 20_000

_COMPATIBLE = (
    (re.compile(r"arialnarrow|helveticanarrow"), ("liberationsansnarrow",)),
    (re.compile(r"arial|helvetica"), ("liberationsans", "arimo")),
    (re.compile(r"times"), ("liberationserif", "tinos")),
    (re.compile(r"courier"), ("liberationmono", "cousine")),
    (re.compile(r"calibri"), ("carlito",)),
    (re.compile(r"cambria"), ("caladea",)),
)
"""Fonts by the names of those whose widths they have."""
TIMES_FAMILIES = ("liberationserif", "tinos", "timesnewroman", "times")
_SANS = ("liberationsans", "arimo", "dejavusans", "notosans", "freesans")
_SERIF = ("liberationserif", "tinos", "dejavuserif", "notoserif", "freeserif", *_SANS)
_MONO = ("liberationmono", "cousine", "dejavusansmono", "notosansmono", "freemono", "robotomono", *_SANS)
CJK_FAMILIES = (
    "notosanscjk", "notosanscjksc", "notosanscjkjp", "notoserifcjk", "sourcehansans", "wqymicrohei", "wqyzenhei",
    "droidsansfallback", "droidsansfallbackfull", "unifont",
)  # fmt: skip
"""Fonts with Chinese, Japanese and Korean letters."""

_SHIFT_JIS, _HANGUL, _GB2312, _BIG5 = 128, 129, 134, 136  # fpdf_sysfontinfo.h
_ONE_LANGUAGE = {
    _SHIFT_JIS: ("ipagothic", "ipaexgothic", "takaogothic", "vlgothic"),
    _HANGUL: ("nanumgothic", "baekmuk", "undotum"),
    _GB2312: ("uming", "arphicuming", "notosanssc"),
    _BIG5: ("uming", "arphicuming", "notosanstc"),
}
"""Fonts for what PDFium knows to be in one language, by its character set."""
_CJK_NAMES = re.compile(
    r"[^\x00-\x7f]|cjk|sim(sun|hei)|fang ?song|kai ?ti|song ?(ti|std|light)|yahei|hei(ti|std|sei)|mingliu|m(sung|hei)"
    r"|jhenghei|ms-?p?(gothic|mincho)|mincho|meiryo|hiragino|pingfang|^st(song|hei|kai|fang|xihei)|sourcehan|microhei|zenhei"
    r"|ko(z|zuka)(min|go)|batang|gulim|dotum|malgun|nanum|myeongjo|^hy(s|g|h)|ryumin|gothicbbb",
    re.IGNORECASE,
)
"""Names of fonts for Chinese, Japanese and Korean, some in encodings of their countries."""
_FIXED_PITCH, _ROMAN = 1, 16

_STYLE_WORDS = re.compile(r"(regular|roman|bold|italic|oblique|psmt|ps|mt|std|pro)+$")
_STYLES = {
    (False, False): ("regular", "", "wght", "roman", "vf"),
    (True, False): ("bold", "bd", "b"),
    (False, True): ("italic", "oblique", "i", "italicwght"),
    (True, True): ("bolditalic", "boldoblique", "bi", "z"),
}
"""What names of files end in, by whether a font is bold and italic."""
_MIN_BOLD = 600


@dataclass(frozen=True, slots=True)
class FontRequest:
    """What PDFium knows of a font that it needs. `face` has no words for its style."""

    face: str
    weight: int = 400
    is_italic: bool = False
    charset: int = 0
    pitch: int = 0

    @property
    def is_cjk(self) -> bool:
        return self.charset in _ONE_LANGUAGE or bool(_CJK_NAMES.search(self.face))


class FontFolders:
    """The font files below some folders, read again when `own` has changed, into which fonts may still be fetched."""

    def __init__(self, own: Path, others: Sequence[Path]) -> None:
        self._own = own
        self._others = others
        self._files: dict[str, Path] | None = None
        self._changed: float | None = None

    def find(self, request: FontRequest) -> Path | None:
        """The file that serves best; None where none has the letters, as far as names tell."""
        files = self._list_files()
        is_bold = request.weight >= _MIN_BOLD
        for family in _rank_families(request):
            for style in dict.fromkeys(((is_bold, request.is_italic), (is_bold, False), (False, False))):
                for ending in _STYLES[style]:
                    if family + ending in files:
                        return files[family + ending]
        return None

    def has_any(self, families: Iterable[str]) -> bool:
        """Whether there is a file of one of the families, named as in `CJK_FAMILIES`."""
        files = self._list_files()
        return any(family + ending in files for family in families for ending in _STYLES[False, False])

    def _list_files(self) -> dict[str, Path]:
        """Files by their names in small letters and digits; those of earlier folders win."""
        changed = _mtime(self._own)
        if self._files is None or changed != self._changed:
            self._changed = changed
            self._files = {}
            for file in _walk((self._own, *self._others)):
                self._files.setdefault(_simplify(file.stem), file)
        return self._files


def font_folders(own: Path) -> FontFolders:
    """The fonts in `own`, on the machine and in the wheels."""
    return FontFolders(own, (*SYSTEM_FOLDERS, *_wheel_folders()))


def _rank_families(request: FontRequest) -> Iterator[str]:
    """Names of families, the best first."""
    name = _simplify(request.face)
    yield from filter(None, (name, _STYLE_WORDS.sub("", name)))
    if request.is_cjk:
        yield from CJK_FAMILIES
        yield from _ONE_LANGUAGE.get(request.charset, ())
        if request.charset in _ONE_LANGUAGE:
            return
    for pattern, families in _COMPATIBLE:
        if pattern.search(name):
            yield from families
    yield from _MONO if request.pitch & _FIXED_PITCH else _SERIF if request.pitch & _ROMAN else _SANS


def _simplify(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _walk(folders: Sequence[Path]) -> Iterator[Path]:
    found = 0
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                if os.path.splitext(name)[1].lower() in _SUFFIXES and found < _MAX_FILES:
                    found += 1
                    yield Path(place, name)


def _wheel_folders() -> list[Path]:
    wheels = filter(None, map(find_spec, _WHEELS))
    return [Path(place) for wheel in wheels for place in wheel.submodule_search_locations or ()]


def _mtime(folder: Path) -> float | None:
    try:
        return folder.stat().st_mtime
    except OSError:
        return None
