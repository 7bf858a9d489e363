"""A chat endpoint that misbehaves on purpose, on loopback, in a thread of the test process.

What it does to a request is a pure function of the request and of how often it has come, so any interleaving tells
the same story. It keeps the only meter that counts: what was asked, answered and billed.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from newtongue.adapters.llm.requests import request_key

Story = Callable[[Mapping[str, Any], int], str]
"""(body, attempt from 0) -> what to do: `answer`, `429`, `500`, `400`, `hang`, `html`, `reset`, `cut`, `no usage`, …"""
Write = Callable[[dict[str, Any]], str]


@dataclass
class FaultyTeacher:
    """The server's side of the story.

    Attributes:
        story: What happens to each attempt.
        write: Request body -> text of the answer.
        latency_seconds: Time before an answer.
        price: Micro-dollars per (prompt, answer) token.
        url: Base url, once it runs.
        attempts: Request key -> how often it was sent.
        answered: Request key -> how often a whole answer was sent back.
        billed: Micro-dollars of all answers sent.
        most_in_flight: Highest number of requests at one time.
        keys_seen: Authorization headers received.
        order: Request keys in order of arrival.
    """

    story: Story = lambda body, attempt: "answer"
    write: Write = lambda body: "ok"
    latency_seconds: float = 0.0
    price: tuple[float, float] = (0.0, 0.0)
    url: str = ""
    attempts: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    billed: float = 0.0
    in_flight: int = 0
    most_in_flight: int = 0
    keys_seen: set[str] = field(default_factory=set)
    order: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        key = request_key(body)
        attempt = self.attempts[key]
        self.attempts[key] += 1
        self.order.append(key)
        self.keys_seen.add(request.headers.get("Authorization", ""))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency_seconds)
            return await self.act(self.story(body, attempt), request, body, key)
        finally:
            self.in_flight -= 1

    async def act(self, what: str, request: web.Request, body: dict[str, Any], key: str) -> web.StreamResponse:
        if what in ("429", "come back tomorrow"):
            return web.Response(status=429, headers={"Retry-After": "0.2" if what == "429" else "86400"}, text="{}")
        if what.isdigit():
            text = f'{{"error": {{"message": "no, {request.headers.get("Authorization")}"}}}}'
            return web.Response(status=int(what), text=text, content_type="application/json")
        if what == "html":
            return web.Response(text="<!DOCTYPE html>\n<title>Welcome to nginx</title>", content_type="text/html")
        if what == "hang":
            await asyncio.sleep(30)
        if what == "reset":
            assert request.transport is not None
            request.transport.abort()
        return await self.answer(what, request, body, key)

    async def answer(self, what: str, request: web.Request, body: dict[str, Any], key: str) -> web.StreamResponse:
        reply = self.reply(body)
        if what == "wrong model":
            reply["model"] = "somebody-else"
        if what == "no usage":
            del reply["usage"]
        if what == "error object":
            reply = {"error": {"message": "overloaded"}}
        raw = orjson.dumps(reply)
        if what == "cut":
            return web.Response(body=raw[: len(raw) // 2], content_type="application/json")
        if what == "cut connection":
            return await self.cut(request, raw)
        if "choices" in reply:
            self.answered[key] += 1
            self.billed += self.price[0] * 10 + self.price[1] * 5
        return web.Response(body=raw, content_type="application/json")

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.write(body)}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        return {"model": body["model"], "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}

    async def cut(self, request: web.Request, raw: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(raw))})
        await response.prepare(request)
        await response.write(raw[:20])
        assert request.transport is not None
        request.transport.close()
        return response


@contextmanager
def running(teacher: FaultyTeacher) -> Iterator[FaultyTeacher]:
    """Serve in a thread for the time of the block."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=16_000_000)
        for route in ("/v1/chat/completions", "/v1/completions"):
            app.router.add_post(route, teacher.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        teacher.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await stop.wait()
        await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield teacher
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
