"""Voice and pictures to words, by any OpenAI-compatible endpoint that the settings name."""

import base64
from typing import Any

import httpx

from core.errors import ApprenticeError
from core.settings import Settings

_TIMEOUT = httpx.Timeout(10, read=120)
_Failure = tuple[str, str]
_NOT_HEARD: _Failure = ("the endpoint for transcription gave no text.", "not_heard")
_NOT_SEEN: _Failure = ("the endpoint for vision gave no text.", "not_seen")


class Senses:
    """Asks the endpoints; without them nothing is heard or seen."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    @property
    def hears(self) -> bool:
        """Whether voice messages are understood."""
        return self._settings.transcription_url is not None

    @property
    def sees(self) -> bool:
        """Whether pictures are understood."""
        return self._settings.vision_url is not None

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def hear(self, sound: bytes, name: str) -> str:
        """What is said in a recording; empty where nothing is. The API: POST /audio/transcriptions.

        Raises: ApprenticeError.
        """
        settings = self._settings
        answer = await self._post(
            f"{_base(settings.transcription_url)}/audio/transcriptions",
            settings.transcription_api_key,
            _NOT_HEARD,
            data={"model": settings.transcription_model},
            files={"file": (name, sound)},
        )
        return _text_at(answer, _NOT_HEARD, "text")

    async def see(self, picture: bytes, question: str) -> str:
        """What a picture (a JPEG) shows, in view of a question. The API: POST /chat/completions.

        Raises: ApprenticeError.
        """
        settings, url = self._settings, f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
        answer = await self._post(
            f"{_base(settings.vision_url)}/chat/completions",
            settings.vision_api_key,
            _NOT_SEEN,
            json={"model": settings.vision_model, "messages": [{"role": "user", "content": parts}]},
        )
        return _text_at(answer, _NOT_SEEN, "choices", 0, "message", "content")

    async def _post(self, url: str, key: Any, failed: _Failure, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        try:
            response = await self._http.post(url, headers=headers, **body)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ApprenticeError(*failed) from error


def _base(url: str | None) -> str:
    return (url or "").rstrip("/")


def _text_at(answer: Any, failed: _Failure, *path: str | int) -> str:
    try:
        for step in path:
            answer = answer[step]
        return answer.strip()
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ApprenticeError(*failed) from error
