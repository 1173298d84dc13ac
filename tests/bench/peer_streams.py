# SPDX-License-Identifier: MIT
"""The streams as a Python agent reads them: one process, asyncio, the JSON of every event parsed.
   peer_streams.py aiohttp|httpx URL STREAMS [CERTIFICATE]    once a second a line "us live events" (CLOCK_MONOTONIC)"""
import asyncio
import json
import resource
import ssl
import sys
import time

BODY = {"model": "load", "max_tokens": 1000, "stream": True, "messages": [{"role": "user", "content": "go"}]}
OPENING = 100  # at once, so that the start does not fail
count = {"live": 0, "events": 0}


def take(line):
    """What a client of the provider does at least: an event's data becomes an object."""
    if line.startswith(b"data:" if isinstance(line, bytes) else "data:"):
        json.loads(line[5:])
        count["events"] += 1


async def aiohttp_all(url, streams, context):
    import aiohttp
    gate = asyncio.Semaphore(OPENING)
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        async def one():
            async with gate:
                answer = await session.post(url, json=BODY)
            count["live"] += 1
            async for line in answer.content:
                take(line)
            count["live"] -= 1
        await asyncio.gather(*(one() for _ in range(streams)))


async def httpx_all(url, streams, context):
    import httpx
    gate = asyncio.Semaphore(OPENING)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=None, limits=limits, verify=context or False) as client:
        async def one():
            async with gate:
                answer = await client.send(client.build_request("POST", url, json=BODY), stream=True)
            count["live"] += 1
            async for line in answer.aiter_lines():
                take(line)
            count["live"] -= 1
        await asyncio.gather(*(one() for _ in range(streams)))


async def tell():
    while True:
        print(time.monotonic_ns() // 1000, count["live"], count["events"], flush=True)
        await asyncio.sleep(1)


async def main(which, url, streams, certificate=None):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    telling = asyncio.ensure_future(tell())
    await {"aiohttp": aiohttp_all, "httpx": httpx_all}[which](url, int(streams), context)
    telling.cancel()

asyncio.run(main(*sys.argv[1:]))
