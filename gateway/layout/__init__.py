"""Layout: page to regions in reading order."""

from gateway.layout.base import LayoutDetector
from gateway.layout.fallback import FallbackLayout
from gateway.layout.paddle import PaddleLayout
from gateway.layout.rapid import BundledLayout
from gateway.settings import Settings


def create_layout(settings: Settings) -> LayoutDetector:
    """The layout detector that the settings ask for, not started yet."""
    bundled = BundledLayout(settings.layout_threads)
    if settings.layout_model == "bundled":
        return bundled
    wanted = PaddleLayout(
        settings.layout_model, settings.layout_model_dir, settings.layout_device, settings.layout_threads
    )
    return FallbackLayout(wanted, bundled)
