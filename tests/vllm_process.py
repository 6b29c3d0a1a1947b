"""A real vLLM server as a process of its own, from the environment that `make test-vllm` installs."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
from conftest import ROOT, free_port

from adapters.base import Base

PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
START_S = 300
MAX_LORA_RANK = 16


class VllmProcess:
    """A server on a port of its own, started, killed and started again."""

    def __init__(self, base: Base, log: Path):
        self._base, self._log, self._port = base, log, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", self._base.folder]
        command += ["--served-model-name", "served", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--dtype", "float32", "--max-model-len", "2048", "--max-num-seqs", "8", "--enforce-eager"]
        command += ["--enable-lora", "--max-loras", "3", "--max-cpu-loras", "6", "--max-lora-rank", str(MAX_LORA_RANK)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ
                | {
                    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
                    "VLLM_CPU_KVCACHE_SPACE": "1",
                    "VLLM_NO_USAGE_STATS": "1",
                    "HF_HUB_OFFLINE": "1",
                },
            )
        until = time.monotonic() + START_S
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"vLLM did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.5)

    def kill(self) -> None:
        """SIGKILL, to the server and to all that it started."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def post(self, path: str, body: dict) -> httpx.Response:
        """A request behind the engine's back."""
        return httpx.post(f"{self.url}{path}", json=body, timeout=60)

    def models(self) -> dict[str, str]:
        """The names it has, and the folders behind them."""
        rows = httpx.get(f"{self.url}/v1/models", timeout=60).json()["data"]
        return {row["id"]: row["root"] for row in rows}

    def running(self) -> int:
        """Requests that it computes."""
        lines = httpx.get(f"{self.url}/metrics", timeout=60).text.splitlines()
        return int(
            sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("vllm:num_requests_running{"))
        )

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False
