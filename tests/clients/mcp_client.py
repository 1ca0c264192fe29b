"""The official client of the Model Context Protocol: prints what the tools answer.

Arguments: SERVER_FILE URL PICTURE VIDEO; the token is in VISION_TOKEN.
"""

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters, stdio_client

server_file, url, picture, video = sys.argv[1:]


async def main() -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=[server_file, "--url", url],
        env={"VISION_TOKEN": os.environ["VISION_TOKEN"]},
    )
    async with Client(stdio_client(server)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]

        async def call(name: str, **arguments: object) -> object:
            result = await client.call_tool(name, arguments)
            texts = [part.text for part in result.content]
            return {"error": texts} if result.is_error else result.structured_content

        answers = [
            await call("list_models"),
            await call("detect_in_picture", path=picture, score_threshold=0.05),
            await call("detect_in_picture", path=picture, model="unknown"),
            await call("list_videos"),
            await call("count_in_video", video_id=video),
        ]
    print(json.dumps([tools, *answers]))


asyncio.run(main())
