"""The model that vLLM serves: where its weights come from, what clients call it, how its prompt is made."""

from __future__ import annotations

import re
from pathlib import Path

from vlm_backend.settings import Settings
from vlm_backend.weights import locate

_TEMPLATES = Path(__file__).parent / "chat_templates"
_NAME = re.compile(r"PaddleOCR-VL(?:-(?P<version>1\.5|1\.6))?(?:-0\.9B)?")


def source(settings: Settings) -> str:
    """The folder of the weights where there is one on this machine, else the name that vLLM downloads."""
    folder = locate(settings)
    return settings.vlm_model if folder is None else str(folder)


def list_served_names(settings: Settings) -> list[str]:
    """The names under which OpenAI's API offers the model: its own first, then PaddleX's, which its clients send."""
    if settings.vlm_served_names:
        return [name.strip() for name in settings.vlm_served_names.split(",") if name.strip()]
    name = _base_name(settings)
    own = name if Path(settings.vlm_model).is_dir() else settings.vlm_model
    return [own, f"{name.removesuffix('-0.9B')}-0.9B"] if _NAME.fullmatch(name) else [own]


def chat_template(settings: Settings) -> Path | None:
    """The file of the template; None: the one that lies with the weights.

    v1 ends its prompt with `Assistant: `, 1.5 and 1.6 with `Assistant:` and a newline. With the wrong one the model
    still answers, only worse.
    """
    wished = settings.vlm_chat_template
    if wished == "auto":
        return _template_by_name(settings)
    return _TEMPLATES / f"{wished}.jinja" if wished in ("v1", "v1.5") else Path(wished)


def is_known(settings: Settings) -> bool:
    """Whether the model's name says which PaddleOCR-VL it is."""
    return _NAME.fullmatch(_base_name(settings)) is not None


def _template_by_name(settings: Settings) -> Path | None:
    found = _NAME.fullmatch(_base_name(settings))
    if found:
        return _TEMPLATES / ("v1.5.jinja" if found["version"] else "v1.jinja")
    folder = locate(settings)
    return None if folder and (folder / "chat_template.jinja").is_file() else _TEMPLATES / "v1.5.jinja"


def _base_name(settings: Settings) -> str:
    return Path(settings.vlm_model).name
