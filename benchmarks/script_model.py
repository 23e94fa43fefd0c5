"""`python -m benchmarks.script_model --fonts FOLDER --locales FOLDER`: trains the model that tells scripts anew.

Lines in 25 scripts are drawn in whatever fonts FOLDER holds, the bundled recogniser looks at them, and softmax
regression on its log probabilities becomes `vlm_backend/embedded/scripts.npz`. Words come from gettext catalogues;
Debian's iso-codes has some in all those scripts. Pillow needs libraqm and fribidi for joined letters.
"""

from __future__ import annotations

import argparse
import gettext
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from PIL import Image, ImageDraw, ImageFont

from common.inference.models import TINY
from textlines.detection import Pixels
from vlm_backend.embedded.unread import OTHER, Floats

MODEL = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"
TARGET = Path(__file__).resolve().parents[1] / "vlm_backend" / "embedded" / "scripts.npz"
CLASSES = 300
"""Outputs of the recogniser that are looked at: its last layer has 120 values, and more outputs even out rounding."""
SCRIPTS = {
    "Arabic": "ARABIC", "Armenian": "ARMENIAN", "Bengali": "BENGALI", "Chinese": "CJK", "Cyrillic": "CYRILLIC",
    "Devanagari": "DEVANAGARI", "Ethiopic": "ETHIOPIC", "Georgian": "GEORGIAN", "Greek": "GREEK",
    "Gujarati": "GUJARATI", "Gurmukhi": "GURMUKHI", "Hebrew": "HEBREW", "Japanese": "HIRAGANA|KATAKANA",
    "Kannada": "KANNADA", "Khmer": "KHMER", "Korean": "HANGUL", "Lao": "LAO", "Latin": "LATIN",
    "Malayalam": "MALAYALAM", "Myanmar": "MYANMAR", "Sinhala": "SINHALA", "Tamil": "TAMIL", "Telugu": "TELUGU",
    "Thai": "THAI", "Tibetan": "TIBETAN",
}  # fmt: skip
"""Scripts to how Unicode's names of their letters begin."""
WEIGHT = {"Latin": 10, "Cyrillic": 6, "Chinese": 4, "Japanese": 4, "Greek": 4, "Hebrew": 3, "Arabic": 3, OTHER: 10}
"""How many times as many lines a script gets."""
SIZES = (10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 56)
SIGNS = "0123456789" * 4 + " .,:;-/()%+=€$№#*&[]<>!?\"'°·–—…×"


@dataclass(frozen=True, slots=True)
class Drawer:
    words: dict[str, list[str]]
    fonts: dict[str, list[Path]]
    chance: random.Random

    def line(self, script: str) -> Pixels:
        """A line of a few words, blurred or noisy like a scan now and then."""
        chance = self.chance
        if script == OTHER and chance.random() < 0.5:
            turned = self.line(chance.choice([name for name in ("Latin", "Chinese", "Japanese") if self.fonts[name]]))
            return np.ascontiguousarray(turned[::-1, ::-1] if chance.random() < 0.5 else turned[: len(turned) // 2 + 2])
        if script == OTHER:
            text = "".join(chance.choice(SIGNS) for _ in range(chance.randint(2, 20))).strip() or "12"
        else:
            text = " ".join(chance.choices(self.words[script], k=chance.randint(1, 3)))[
                : chance.choice((10, 16, 22, 28))
            ]
        path = chance.choice(self.fonts["Latin" if script == OTHER else script])
        return self._worn(_drawn(text, ImageFont.truetype(str(path), chance.choice(SIZES)), chance.randint(0, 5)))

    def _worn(self, line: Pixels) -> Pixels:
        if self.chance.random() < 0.3:
            line = np.asarray(cv2.GaussianBlur(line, (0, 0), self.chance.uniform(0.3, 1.0)), dtype=np.uint8)
        if self.chance.random() < 0.3:
            noise = np.random.default_rng(self.chance.getrandbits(32)).normal(0, 12, line.shape)
            line = np.clip(line + noise, 0, 255).astype(np.uint8)
        if self.chance.random() < 0.3:
            _, data = cv2.imencode(".jpg", line, [cv2.IMWRITE_JPEG_QUALITY, self.chance.randint(30, 85)])
            line = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
        return line


def _drawn(text: str, font: ImageFont.FreeTypeFont, margin: int) -> Pixels:
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    size = max(right - left, 8) + 2 * margin, max(bottom - top, 8) + 2 * margin
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((margin - left, margin - top), text, font=font, fill="black")
    return np.asarray(image)


def script_of(text: str) -> str | None:
    """The script of nearly all letters of a text; None where there is none such."""
    names = [unicodedata.name(letter, "") for letter in text if letter.isalpha()]
    for script, begins in SCRIPTS.items():
        fitting = sum(name.startswith(tuple(begins.split("|"))) for name in names)
        if names and fitting >= (0.3 if script == "Japanese" else 0.9) * len(names):
            return script
    return None


def find_words(locales: Path) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {script: set() for script in SCRIPTS}
    for file in sorted(locales.glob("*/LC_MESSAGES/iso_*.mo")):
        with file.open("rb") as opened:
            catalogue = gettext.GNUTranslations(opened)
        for text in filter(None, {catalogue.gettext(key) for key in _keys(catalogue)}):
            script = script_of(text) if len(text) < 60 else None
            if script and "\n" not in text:
                found[script].add(text)
    return {script: sorted(texts) for script, texts in found.items()}


def _keys(catalogue: gettext.GNUTranslations) -> Iterator[str]:
    messages: dict[object, str] = vars(catalogue)["_catalog"]
    return (key for key in messages if isinstance(key, str) and key)


def find_fonts(folder: Path, words: dict[str, list[str]]) -> dict[str, list[Path]]:
    """Fonts by script: those that draw two of its letters, and draw them differently."""
    found: dict[str, list[Path]] = {script: [] for script in SCRIPTS}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".ttf", ".otf", ".ttc")):
        try:
            font = ImageFont.truetype(str(path), 24)
            blank = bytes(font.getmask("\U0010fffd"))
            for script, texts in words.items():
                letters = [letter for letter in sorted(set("".join(texts[:50]))) if letter.isalpha()][:2]
                masks = {bytes(font.getmask(letter)) for letter in letters}
                if len(masks) == len(letters) and blank not in masks and letters:
                    found[script].append(path)
        except (OSError, ValueError):
            continue
    return found


def features(session: InferenceSession, classes: NDArray[np.int64], line: Pixels) -> Floats:
    """(steps, classes): log probabilities without what is common to all classes."""
    height, width = line.shape[:2]
    scaled = cv2.resize(line[:, :, ::-1], (max(32, -(-48 * width // height)), 48)).astype(np.float32)
    [probabilities] = session.run(None, {"x": ((scaled / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]})
    logs = np.log(np.maximum(probabilities[0][:, classes], TINY))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), dtype=np.float32)


def fit(steps: Floats, labels: NDArray[np.intp], scripts: int, epochs: int) -> tuple[Floats, Floats]:
    """Weights and bias of softmax regression, by Adam over batches of 4096 steps."""
    mean, spread = steps.mean(axis=0), steps.std(axis=0) + 1e-3
    parameters = np.zeros((steps.shape[1] + 1, scripts), dtype=np.float32)
    first, second, rate = np.zeros_like(parameters), np.zeros_like(parameters), np.random.default_rng(0)
    share = 1 / np.sqrt(np.maximum(np.bincount(labels, minlength=scripts), 1))
    count = 0
    for _ in range(epochs):
        for batch in np.array_split(rate.permutation(len(steps)), max(1, len(steps) // 4096)):
            inputs = np.c_[(steps[batch] - mean) / spread, np.ones(len(batch), dtype=np.float32)]
            scores = inputs @ parameters
            errors = np.exp(scores - scores.max(axis=1, keepdims=True))
            errors /= errors.sum(axis=1, keepdims=True)
            errors[np.arange(len(batch)), labels[batch]] -= 1
            weights = share[labels[batch], None] / share[labels[batch]].mean()
            slope = inputs.T @ (errors * weights) / len(batch) + 1e-5 * parameters
            count += 1
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            step = first / (1 - 0.9**count) / (np.sqrt(second / (1 - 0.999**count)) + 1e-8)
            parameters -= (0.02 * step).astype(np.float32)
    weights = parameters[:-1] / spread[:, None]
    return weights.astype(np.float32), (parameters[-1] - mean @ weights).astype(np.float32)


def train(drawer: Drawer, lines: int, epochs: int, target: Path) -> None:
    session = InferenceSession(str(MODEL))
    outputs = len(session.get_modelmeta().custom_metadata_map["character"].split("\n"))
    classes = np.sort(np.random.default_rng(0).choice(outputs, CLASSES, replace=False)).astype(np.int64)
    scripts = sorted([script for script in SCRIPTS if drawer.words[script] and drawer.fonts[script]] + [OTHER])
    steps, labels = [], []
    for index, script in enumerate(scripts):
        for _ in range(lines * WEIGHT.get(script, 1)):
            steps.append(features(session, classes, drawer.line(script)))
            labels.append(np.full(len(steps[-1]), index, dtype=np.intp))
        print(script, "drawn", flush=True)
    weights, bias = fit(np.concatenate(steps), np.concatenate(labels), len(scripts), epochs)
    np.savez(target, scripts=np.array(scripts), classes=classes, weights=weights, bias=bias)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.script_model", description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--locales", type=Path, default=Path("/usr/share/locale"))
    parser.add_argument("--lines", type=int, default=100, help="lines of a script with weight 1")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    words = find_words(options.locales)
    drawer = Drawer(words, find_fonts(options.fonts, words), random.Random(1))
    train(drawer, options.lines, options.epochs, options.out)


if __name__ == "__main__":
    main()
