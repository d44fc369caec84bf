"""The limit: what aiohttp alone can do. N workers over one iterator, kept-alive connections, orjson, nothing stored."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import orjson


async def ask_all(job):
    """Ask every prompt of a JSONL file and read every reply."""
    texts = rows = 0
    url = job["url"] + "/v1/chat/completions"
    headers = {"Content-Type": "application/json"}
    with Path(job["prompts"]).open("rb") as lines:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

            async def work():
                nonlocal texts, rows
                for line in lines:
                    message = {"role": "user", "content": orjson.loads(line)["prompt"]}
                    body = {"model": "test", "messages": [message], "max_tokens": job["max_tokens"]}
                    async with session.post(url, data=orjson.dumps(body), headers=headers) as response:
                        reply = orjson.loads(await response.read())
                    rows += 1
                    texts += bool(reply["choices"][0]["message"]["content"])

            await asyncio.gather(*(work() for _ in range(job["concurrency"])))
    return {"rows": rows, "texts": texts}


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    run = asyncio.run
    if job["settings"]["loop"] == "uvloop":
        import uvloop

        run = uvloop.run
    print("\n" + json.dumps(run(ask_all(job))), flush=True)
