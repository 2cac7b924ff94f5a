# One container that answers: the service, its packages and its model files. The last stage, `cpu`, is
# what a build makes; `--target cuda` makes the one for NVIDIA cards. docs/how-to/docker.md says how
# to build them, and what of this has been run.

FROM python:3.11-slim-bookworm AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv

FROM tools AS packages
ARG TORCH_VERSION=2.13.0
# More options for pip when it installs torch, such as the index that has the CPU build.
ARG TORCH_PIP_ARGS=""
# torch first, alone and pinned: what it needs comes from the lock, by hash. The build with GPU
# libraries is refused here, because it cannot be imported without gigabytes of them.
# The optional secret `pip` is a pip.conf with your index; it leaves no trace in the image. (To the
# linter the options look like packages, hence the two exceptions.)
# hadolint ignore=SC2086,DL3013
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-deps ${TORCH_PIP_ARGS} "torch==${TORCH_VERSION}" \
    && if ls /opt/venv/lib/python3.11/site-packages/torch/lib/libtorch_cuda* > /dev/null 2>&1; \
       then echo "this is a GPU build of torch: name an index with CPU builds in TORCH_PIP_ARGS" >&2; \
       exit 1; fi
# with what speaks to S3, for CIMIENTO_BLOBS__URL
COPY requirements/s3.txt /tmp/s3.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-deps --require-hashes -r /tmp/s3.txt

# The same for NVIDIA cards. What torch itself needs comes from the lock; what is left to its own
# build, by the versions that this build names, is NVIDIA's libraries and Triton.
FROM tools AS packages-cuda
ARG TORCH_VERSION=2.13.0
ARG TORCH_CUDA_PIP_ARGS=""
# with what speaks to S3, for CIMIENTO_BLOBS__URL
COPY requirements/s3.txt /tmp/s3.txt
# hadolint ignore=SC2086,DL3013
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-deps --require-hashes -r /tmp/s3.txt \
    && pip install ${TORCH_CUDA_PIP_ARGS} "torch==${TORCH_VERSION}" \
    && if ! ls /opt/venv/lib/python3.11/site-packages/torch/lib/libtorch_cuda* > /dev/null 2>&1; \
       then echo "this is a CPU build of torch: name an index with GPU builds in TORCH_CUDA_PIP_ARGS" >&2; \
       exit 1; fi

# The decoding step in C++, for kinds of processors: which one an image will run on is not known
# here (docs/decisions/0008-compiled-steps.md). The compiler stays behind.
FROM tools AS native
# what Debian has at the time: its own archive keeps no older ones
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --no-install-recommends --yes g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY generation/__init__.py generation/__init__.py
COPY generation/engine/__init__.py generation/engine/__init__.py
COPY generation/engine/native generation/engine/native
RUN mkdir /prebuilt && python -m generation.engine.native.levels /prebuilt

# The model files, at build time: a container then starts without a network, and the same image
# always answers with the same weights. Only what pulls them is copied, so that this layer outlives
# changes elsewhere.
FROM packages AS models
WORKDIR /build
COPY core core
COPY app/__init__.py app/__init__.py
COPY app/cli app/cli
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    CIMIENTO_MODELS__DIR=/opt/models python -m app.cli models pull \
    && CIMIENTO_MODELS__DIR=/opt/models python -m app.cli models verify

# The web application. The optional secret `npm` is an .npmrc with your registry.
FROM node:22-bookworm-slim AS web
WORKDIR /build
COPY app/web/package.json app/web/package-lock.json app/web/.npmrc ./
RUN --mount=type=secret,id=npm,target=/root/.npmrc npm ci
COPY app/web .
RUN npm run build

FROM packages AS wheel
WORKDIR /build
COPY . .
COPY --from=web /build/dist app/web/dist
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm AS runtime
RUN groupadd --gid 10001 cimiento \
    && useradd --uid 10001 --gid cimiento --no-create-home --home-dir /data \
       --shell /usr/sbin/nologin cimiento \
    && install --directory --owner cimiento --group cimiento --mode 0700 /data
COPY --from=models /opt/models /opt/models
COPY LICENSE NOTICE /usr/share/doc/cimiento/
# HOME is for libraries that insist on one; nothing of ours is kept there. 0.0.0.0 is the container's
# own address: which of the host's addresses is open is for `--publish` to say.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    CIMIENTO_DATA_DIR=/data \
    CIMIENTO_MODELS__DIR=/opt/models \
    CIMIENTO_SERVER__HOST=0.0.0.0 \
    CIMIENTO_SERVER__PUBLIC_URL=http://localhost:8420 \
    CIMIENTO_WORKER__HOST=0.0.0.0
WORKDIR /data
VOLUME /data
EXPOSE 8420 8421
# Of `serve`, in either role. A generation worker is asked at port 8421, /ready; an ingestion worker
# has no port and needs none: it ends itself when it stands still, so that it is started again.
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8420/health/ready', timeout=4)"]
ENTRYPOINT ["cimiento"]
CMD ["serve"]

FROM runtime AS cuda
# Triton compiles what launches a kernel where it runs, with C; what comes of it is kept in the
# volume, because a library cannot be opened from the `tmpfs` that Docker mounts.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --no-install-recommends --yes gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=packages-cuda /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /opt/venv/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
COPY --from=native /prebuilt /opt/venv/lib/python3.11/site-packages/generation/engine/native/prebuilt
ENV TRITON_CACHE_DIR=/data/cache/triton \
    TORCHINDUCTOR_CACHE_DIR=/data/cache/inductor
USER 10001:10001

FROM runtime AS cpu
COPY --from=packages /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /opt/venv/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
COPY --from=native /prebuilt /opt/venv/lib/python3.11/site-packages/generation/engine/native/prebuilt
# by number: an orchestrator can then see that it is not root
USER 10001:10001
