"""Takes pictures of the playground with examples in it: all into build/screens, two into docs/images for the README.

python -m tools.screens [--url http://127.0.0.1:8081] [--to build/screens] [--images docs/images]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from PIL import Image

from benchmarks.service import start_service
from tests.support.browser import Playground, open_playground

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
WIDE, NARROW = (1440, 900), (390, 844)
README_WIDTH, README_COLOURS = 1100, 128
"""Pixels, and colours: more make the files larger, not the pictures clearer."""


class Photographer:
    """Shows the page in a size, a theme and a language, and keeps pictures of it in `folder`."""

    def __init__(self, page: Playground, folder: Path) -> None:
        self.page = page
        self.folder = folder

    def open(self, size: tuple[int, int], theme: str, language: str, *names: str) -> None:
        self.page.emulate(width=size[0], height=size[1], theme=theme)
        self.page.open()
        self.page.run("localStorage.setItem('language', arguments[0])", language)
        self.page.open(keeps_storage=True)
        if names:
            self.page.read(*(EXAMPLES / name for name in names))
            self.page.find(".picture[data-page]")

    def choose(self, name: str) -> None:
        self.page.click_button("#list", name)
        self.page.find(".picture[data-page]")

    def shoot(self, name: str) -> Path:
        self.page.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0], 500)))"
        )
        path = self.folder / f"{name}.png"
        self.page.driver.save_screenshot(str(path))
        return path


def shoot_wide(camera: Photographer) -> dict[str, Path]:
    page = camera.page
    camera.open(WIDE, "light", "en")
    camera.shoot("empty")
    page.click("#options summary")
    page.find("#options-form label")
    camera.shoot("options")
    camera.open(WIDE, "light", "en", "report-mixed.pdf", "form-en.png", "article-en.png")
    page.click(".box.k-text:nth-of-type(5)")
    shown = {"playground": camera.shoot("article")}
    for tab in ("markdown", "json", "files", "report"):
        page.click(f"#tab-{tab}")
        camera.shoot(f"article-{tab}")
    page.click("#tab-text")
    camera.choose("report-mixed.pdf")
    page.click("#tab-tables")
    camera.shoot("report-tables")
    camera.open(WIDE, "dark", "en", "table-en.png", "receipt-en.jpg")
    page.click(".menu summary")
    for layer in ("order", "words", "unsure"):
        page.click(f".menu input[name={layer}]")
    camera.shoot("layers-dark")
    page.click(".menu summary")
    camera.open(WIDE, "dark", "ru", "article-ru.png", "table-ru.png")
    page.click(".block.k-table .content, .block .content")
    shown["playground-dark"] = camera.shoot("table-dark-russian")
    camera.open(WIDE, "light", "zh", "article-zh.png")
    camera.shoot("article-chinese")
    page.click("#help-open")
    camera.shoot("help-chinese")
    return shown


def shoot_narrow(camera: Photographer) -> None:
    page = camera.page
    camera.open(NARROW, "light", "en")
    camera.shoot("narrow-empty")
    camera.open(NARROW, "light", "en", "report-mixed.pdf")
    for view in ("files", "page", "results"):
        page.click(f"#views [data-view={view}]")
        camera.shoot(f"narrow-{view}")
    camera.open(NARROW, "dark", "ru", "article-ru.png")
    camera.shoot("narrow-dark-russian")


def write_small(source: Path, target: Path) -> None:
    with Image.open(source) as picture:
        height = round(picture.height * README_WIDTH / picture.width)
        small = picture.convert("RGB").resize((README_WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(README_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="a service that runs already; else one with the embedded engine is started")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "screens")
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        sys.exit("There is no Chromium (Debian: chromium chromium-driver).")
    arguments.to.mkdir(parents=True, exist_ok=True)
    with (
        nullcontext() if arguments.url else start_service(VLM_ENGINE="embedded") as service,
        tempfile.TemporaryDirectory() as folder,
        open_playground(Path(folder), arguments.url or (service.url if service else "")) as page,
    ):
        camera = Photographer(page, arguments.to)
        for name, path in shoot_wide(camera).items():
            write_small(path, arguments.images / f"{name}.png")
        shoot_narrow(camera)
    print(f"Pictures: {arguments.to}")


if __name__ == "__main__":
    main()
