"""Layout: page to regions in reading order."""

from functools import partial

from gateway.hub import PADDLE_MODEL, cache_folder, fetch_apart
from gateway.layout.base import LayoutDetector
from gateway.layout.fallback import FallbackLayout
from gateway.layout.lazy import LazyLayout
from gateway.layout.paddle import FILE, PaddleLayout
from gateway.layout.paddleocr import PaddleOcrLayout
from gateway.layout.rapid import BundledLayout
from gateway.settings import Settings


def create_layout(settings: Settings) -> LayoutDetector:
    """The layout detector that the settings ask for, not started yet."""
    layout = _chosen(settings)
    return LazyLayout(layout) if settings.layout_loading == "lazy" else layout


def _chosen(settings: Settings) -> LayoutDetector:
    bundled = BundledLayout(settings.layout_threads)
    is_auto = settings.layout_model == "auto"
    name = PADDLE_MODEL if is_auto else settings.layout_model
    folder = settings.layout_model_dir or cache_folder(settings, name)
    is_paddleocr = settings.layout_engine == "paddleocr"
    is_wished = is_paddleocr or settings.layout_model_dir is not None or not is_auto
    if name == "bundled" or not (is_wished or (folder / FILE).is_file()):
        return bundled
    expected = None if is_auto else name
    wanted: LayoutDetector
    if is_paddleocr:
        wanted = PaddleOcrLayout(expected, folder, settings)
    else:
        wanted = PaddleLayout(expected, folder, settings.layout_device, settings.layout_threads, settings.layout_batch)
    is_fetched = not is_auto and settings.layout_model_dir is None
    return FallbackLayout(wanted, bundled, partial(fetch_apart, name, folder) if is_fetched else None)
