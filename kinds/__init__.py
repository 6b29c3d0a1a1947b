"""Kinds of task, torch-free: which score compares a reply with its reference."""

from kinds.chat import Chat
from kinds.checked import Checked
from kinds.kind import Kind

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Chat(), Checked())}
