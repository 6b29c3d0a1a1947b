"""A person asks for a program: it is run for whom that is on, told, tried once more where it failed, and recorded."""

import json
import threading

import httpx
import psutil
import pytest

from core.identity import PLAYGROUND, Pseudonyms
from feedback.observations import Observations
from feedback.people import People
from kinds.sandbox import what_is_lacking
from tests.serving_process import *  # noqa: F403
from tests.serving_process import ask
from tests.waiting import until

pytestmark = pytest.mark.skipif(what_is_lacking() is not None, reason=what_is_lacking() or "")
HELLO = [{"role": "user", "content": "Write a Python program that prints hello."}]


def test_x(http):
    for q in ["Write a Python program that prints hello.","Write a Python function add(a, b) that adds two numbers.\nassert add(1, 2) == 3", "Print the numbers from 1 to 10.\nassert 1 == 2"]:
        with http.stream("POST","/v1/chat/completions",json={"messages":[{"role":"user","content":q}],"stream":True,"max_tokens":200,"apprentice":{"kind":"code","author":PLAYGROUND,"chat":"playground:1"}}) as r:
            for line in r.iter_lines():
                if line.startswith("data: {"):
                    c=json.loads(line[6:])
                    if c["choices"][0]["delta"].get("content"): print(c["choices"][0]["delta"]["content"],end="")
                    if c.get("apprentice"): print(c["apprentice"])
                elif line: print(line)
