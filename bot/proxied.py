"""The connection to Telegram where it goes through an HTTP proxy, which aiogram itself does not do without SOCKS."""

from typing import Any

from aiogram.__meta__ import __version__
from aiogram.client.session.aiohttp import AiohttpSession
from aiohttp import ClientSession
from aiohttp.hdrs import USER_AGENT
from aiohttp.http import SERVER_SOFTWARE


class ProxiedSession(AiohttpSession):
    """aiogram's session, with every call and download through a proxy (http://user:password@host:port)."""

    def __init__(self, http_proxy: str, **given: Any):
        super().__init__(**given)
        self._http_proxy = http_proxy

    async def create_session(self) -> ClientSession:
        """The session that is open, or a new one."""
        if self._session is None or self._session.closed:
            self._session = ClientSession(
                connector=self._connector_type(**self._connector_init),
                headers={USER_AGENT: f"{SERVER_SOFTWARE} aiogram/{__version__}"},
                proxy=self._http_proxy,
            )
        return self._session
