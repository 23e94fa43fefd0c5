"""What clients and the gateway say to each other, written down for people to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRANSCRIPT = Path(__file__).parents[2] / "build" / "clients-transcript.txt"
_LONGEST = 70


def note(*lines: str) -> None:
    with TRANSCRIPT.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def recorded(create_app: Callable[..., FastAPI]) -> Callable[..., FastAPI]:
    """As `create_app`, but each POST and its answer is noted."""

    def create(*arguments: Any) -> FastAPI:  # noqa: ANN401 - create_app's own
        app = create_app(*arguments)
        app.add_middleware(Recorder)
        return app

    return create


class Recorder:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        asked, answered, status = bytearray(), bytearray(), 0

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, hear, say)
        note(f"  > POST {scope['path']} {_shown(asked)}", f"  < {status} {_shown(answered)}")


def _shown(body: bytes | bytearray) -> str:
    try:
        return json.dumps(shortened(json.loads(body or b"null")), ensure_ascii=False)
    except ValueError:
        return f"{len(body)} bytes that are no JSON"


def shortened(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Long texts cut, and of a list the first entry only."""
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shortened(value[0]), *([f"… ({len(value)} in all)"] if len(value) > 1 else [])]
    return value
