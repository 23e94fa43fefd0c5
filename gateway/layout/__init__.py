"""Layout: page to regions in reading order."""

from gateway.layout.base import LayoutDetector
from gateway.layout.rapid import BundledLayout
from gateway.settings import Settings


def create_layout(settings: Settings) -> LayoutDetector:
    """The layout detector that the settings ask for, not started yet."""
    return BundledLayout(settings.layout_threads)
