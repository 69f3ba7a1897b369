"""The least that a client can do: aiohttp, one journal line for each answer, parquet at the end.

python benchmarks/floor.py URL FILE COUNT IN_FLIGHT FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import pyarrow.json
import pyarrow.parquet


async def main(url: str, questions: list[dict[str, str]], in_flight: int, folder: Path) -> None:
    waiting = iter(questions)
    with (folder / "journal.jsonl").open("w") as journal:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def worker() -> None:
                for one in waiting:
                    message = {"role": "user", "content": one["question"]}
                    body = {"model": "echo", "messages": [message], "max_tokens": 16}
                    async with session.post(f"{url}/chat/completions", json=body) as answer:
                        text = (await answer.json())["choices"][0]["message"]["content"]
                    row = {**one, "output": text, "score": str(text == one["answer"])}
                    journal.write(json.dumps(row) + "\n")
                    journal.flush()

            await asyncio.gather(*(worker() for _ in range(in_flight)))
    table = pyarrow.json.read_json(folder / "journal.jsonl")
    pyarrow.parquet.write_table(table, folder / "samples.parquet")


if __name__ == "__main__":
    address, file, count, flight, target = sys.argv[1:]
    with Path(file).open() as lines:
        asked = [json.loads(line) for line, _ in zip(lines, range(int(count)), strict=False)]
    asyncio.run(main(address, asked, int(flight), Path(target)))
