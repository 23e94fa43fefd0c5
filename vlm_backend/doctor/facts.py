"""What several checks look at, found out once, when the first of them asks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from common.processes import start_ticks
from vlm_backend.doctor.compatibility import driver_environment
from vlm_backend.driver import Driver, probe_driver
from vlm_backend.installation import Installation, NotInstalled, Torch, search
from vlm_backend.model_config import ModelConfig, find_model_config
from vlm_backend.settings import Settings
from vlm_backend.status import status_file
from vlm_backend.vllm import environment
from vlm_backend.weights import locate


class Facts:
    def __init__(self, settings: Settings, inherited: Mapping[str, str]) -> None:
        self.settings = settings
        self._inherited = inherited

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What vLLM will find in its environment."""
        return environment(self.settings, self._inherited, self.installation.build if self.installation else None)

    @cached_property
    def search(self) -> Installation | NotInstalled:
        return search(self.settings)

    @property
    def installation(self) -> Installation | None:
        return self.search if isinstance(self.search, Installation) else None

    @property
    def torch(self) -> Torch | None:
        return self.installation.torch if self.installation else None

    @property
    def needs_gpu(self) -> bool:
        return self.installation is not None and self.installation.build == "cuda"

    @cached_property
    def driver(self) -> Driver:
        built_for = self.torch.cuda if self.torch else None
        return probe_driver(environment=driver_environment(self.environment, built_for))

    @cached_property
    def weights(self) -> Path | None:
        return locate(self.settings)

    @cached_property
    def model_config(self) -> ModelConfig | None:
        return find_model_config(self.settings)

    @cached_property
    def engine_pid(self) -> int | None:
        """Process id of this service's own engine, where it runs already: what it holds is not another's."""
        try:
            status = json.loads(status_file(self.settings).read_text(encoding="utf-8"))
            pid, began = int(status["pid"]), int(status["start_ticks"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if pid != os.getpid() and start_ticks(pid) == began else None
