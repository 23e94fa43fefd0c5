"""Settings of the start script and of what watches over both tiers, which belongs to neither."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from common.settings import EnvironmentSettings


class Settings(EnvironmentSettings):
    start_tries: int = Field(
        5,
        ge=0,
        le=100,
        description="How often a program that dies while starting is tried again, with growing pauses; one that ends "
        "more often than this within 10 minutes is given up too",
    )
    on_fatal: Literal["exit", "stay"] = Field(
        "exit",
        description="When a program is given up: `exit` ends the service with a code that says why; `stay` keeps the "
        "rest running, to be looked at",
    )
    vlm_starting_s: int = Field(
        60,
        ge=1,
        description="A VLM tier that ends sooner after its start has died while starting, and is tried again after a "
        "pause; later, at once",
    )
