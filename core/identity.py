"""Pseudonyms: authors and chats are stored as keyed hashes, under a key of this installation."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_FILE = "installation.key"
PLAYGROUND = "playground:operator"
"""The outside id of whoever speaks at the console's playground or in its terminal."""


class Pseudonyms:
    """Turns outside ids (`telegram:42`) into stable pseudonyms that reveal nothing without the key."""

    def __init__(self, key: bytes):
        self._key = key

    @classmethod
    def of_installation(cls, data_dir: Path) -> "Pseudonyms":
        """The installation's key, made at first use (32 random bytes, readable by the owner alone)."""
        data_dir.mkdir(parents=True, exist_ok=True)
        path = data_dir / KEY_FILE
        draft = data_dir / f".{KEY_FILE}.{secrets.token_hex(4)}"
        if not path.exists():
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(32))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            draft.unlink()
        return cls(path.read_bytes())

    def author(self, outside_id: str) -> str:
        """32 hexadecimal digits for a person."""
        return self.digest("author", outside_id)

    def chat(self, outside_id: str) -> str:
        """32 hexadecimal digits for a chat."""
        return self.digest("chat", outside_id)

    def digest(self, kind: str, text: str) -> str:
        """32 hexadecimal digits for a text of some kind."""
        return hmac.new(self._key, f"{kind}\0{text}".encode(), hashlib.sha256).hexdigest()[:32]
