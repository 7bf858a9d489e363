"""A loopback HTTP server for the chat-completions protocol, around one plain function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from newtongue.core.errors import RecipeError

LOOPBACK = "127.0.0.1"
Answer = Callable[[dict[str, Any]], Mapping[str, Any]]


def serve_chat(answer: Answer, facts: Mapping[str, Any], port: int, ready: Callable[[str], None]) -> None:
    """Serve until the process ends.

    Args:
        answer: Request body -> response body; a `ValueError` becomes HTTP 400 with its text.
        facts: What `GET /health` and `GET /v1/models` say, beside the status.
        port: Port on loopback; 0 takes a free one.
        ready: Called with the base url once the server listens.

    Raises:
        RecipeError: The port is taken.
    """
    asyncio.run(_serve(answer, facts, port, ready))


async def _serve(answer: Answer, facts: Mapping[str, Any], port: int, ready: Callable[[str], None]) -> None:
    async def completions(request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
            return _json(answer(_checked(body)))
        except (ValueError, TypeError, KeyError) as error:
            return _json({"error": {"message": str(error), "type": "invalid_request_error"}}, status=400)

    async def health(_request: web.Request) -> web.Response:
        return _json({"status": "ok", **facts})

    async def models(_request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [{"id": "offline", "object": "model", **facts}]})

    app = web.Application(client_max_size=16_000_000)
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_get("/health", health)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, port)
    try:
        await site.start()
    except OSError as error:
        raise RecipeError(f"port {port} cannot be used: {error.strerror}", fix="choose another --port") from None
    ready(f"http://{LOOPBACK}:{runner.addresses[0][1]}/v1")
    await asyncio.Event().wait()


def _checked(body: Any) -> dict[str, Any]:
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(m.get("content"), str) for m in messages):
        raise ValueError("`messages` must be a list of objects with `role` and text `content`")
    return body


def _json(value: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(dict(value)), status=status, content_type="application/json")
