"""The Python SDK as a client: connects as it is told by one argument of JSON, and prints what came of it as one line of JSON.

    url, key_header, key    where to, and the gateway key
    mode                    "legacy", "auto" or a revision, as the SDK's Client takes it
    token                   sent in Authorization as it is; or
    stale                   a token that the client believes in; it has the SDK's OAuth provider, and may authorize anew
    tool                    is called once it is connected, as often as `times` says
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata, OAuthToken

REDIRECT = "http://127.0.0.1:9/callback"


class Memory:
    """Keeps tokens and registration for as long as the process lives."""

    def __init__(self, stale):
        self.tokens = OAuthToken(access_token=stale)
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Browser:
    """Opens the authorization server's page, which sends it back at once."""

    async def open(self, page):
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(page)
        self.back = parse_qs(urlparse(answer.headers["location"]).query)

    async def callback(self):
        return AuthorizationCodeResult(**{name: self.back[name][0] for name in ("code", "state", "iss")})


def provider(told):
    browser = Browser()
    metadata = OAuthClientMetadata(redirect_uris=[REDIRECT], client_name="a test")
    return OAuthClientProvider(told["url"], metadata, Memory(told["stale"]), browser.open, browser.callback)


async def converse(told, http):
    async with Client(streamable_http_client(told["url"], http_client=http), mode=told["mode"]) as client:
        seen = []

        async def progress(done, total, message):
            seen.append(done)

        tools = await client.list_tools()
        for _ in range(told.get("times", 1)):
            result = await client.call_tool(told["tool"], told.get("arguments", {}), progress_callback=progress)
        return {
            "version": client.protocol_version,
            "server": client.server_info and client.server_info.name,
            "tools": [tool.name for tool in tools.tools],
            "progress": seen,
            "text": [content.text for content in result.content],
        }


def causes(error):
    """The errors that a group is of, in words."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in causes(inner)]
    return [f"{type(error).__name__}: {error}"]


async def main(told):
    headers = {told["key_header"]: told["key"]}
    if "token" in told:
        headers["authorization"] = f"Bearer {told['token']}"
    auth = provider(told) if "stale" in told else None
    async with httpx2.AsyncClient(headers=headers, auth=auth, timeout=30) as http:
        try:
            said = await converse(told, http)
        except Exception as error:
            said = {"error": causes(error)}
    print(json.dumps(said), flush=True)


asyncio.run(main(json.loads(sys.argv[1])))
