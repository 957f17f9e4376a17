"""Runs the Python SDK's client once. Reads one argument of JSON, prints one line of JSON.

    url, key_header, key    the endpoint, and the gateway key with its header field
    mode                    "legacy", "auto" or a protocol version, as the SDK's Client takes it
    token                   a token that is sent unchanged in Authorization; or
    expired_token           a token that the SDK's OAuth provider starts with, and may replace
    tool, arguments         the tool that is called after connecting, and its arguments
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

REDIRECT_URI = "http://127.0.0.1:9/callback"


class MemoryStorage:
    """Stores tokens and the client registration in memory."""

    def __init__(self, expired_token):
        self.tokens = OAuthToken(access_token=expired_token)
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
    """Opens the authorization endpoint, which redirects at once, and keeps the redirect's query."""

    async def open(self, url):
        async with httpx2.AsyncClient() as client:
            response = await client.get(url)
        self.query = parse_qs(urlparse(response.headers["location"]).query)

    async def callback(self):
        parameters = {name: self.query[name][0] for name in ("code", "state", "iss")}
        return AuthorizationCodeResult(**parameters)


def oauth_provider(options):
    browser = Browser()
    metadata = OAuthClientMetadata(redirect_uris=[REDIRECT_URI], client_name="a test")
    storage = MemoryStorage(options["expired_token"])
    return OAuthClientProvider(options["url"], metadata, storage, browser.open, browser.callback)


async def converse(options, http):
    transport = streamable_http_client(options["url"], http_client=http)
    async with Client(transport, mode=options["mode"]) as client:
        progress = []

        async def on_progress(done, total, message):
            progress.append(done)

        tools = await client.list_tools()
        result = await client.call_tool(
            options["tool"], options.get("arguments", {}), progress_callback=on_progress
        )
        return {
            "version": client.protocol_version,
            "server": client.server_info and client.server_info.name,
            "tools": [tool.name for tool in tools.tools],
            "progress": progress,
            "text": [content.text for content in result.content],
        }


def error_texts(error):
    """The texts of an error, or of each error in a group."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in error_texts(inner)]
    return [f"{type(error).__name__}: {error}"]


async def main(options):
    headers = {options["key_header"]: options["key"]}
    if "token" in options:
        headers["authorization"] = f"Bearer {options['token']}"
    auth = oauth_provider(options) if "expired_token" in options else None
    async with httpx2.AsyncClient(headers=headers, auth=auth, timeout=30) as http:
        try:
            report = await converse(options, http)
        except Exception as error:
            report = {"error": error_texts(error)}
    print(json.dumps(report), flush=True)


asyncio.run(main(json.loads(sys.argv[1])))
