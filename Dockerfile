# One container that answers: the service, its packages and its model files. docs/how-to/docker.md
# says how to build it, and what of this has been run.

FROM python:3.11-slim-bookworm AS packages
ARG TORCH_VERSION=2.13.0
# More options for pip when it installs torch, such as the index that has the CPU build.
ARG TORCH_PIP_ARGS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PATH=/opt/venv/bin:$PATH
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN python -m venv /opt/venv
# torch first, alone and pinned: what it needs comes from the lock, by hash. The build with GPU
# libraries is refused here, because it cannot be imported without gigabytes of them.
# The optional secret `pip` is a pip.conf with your index; it leaves no trace in the image. (To the
# linter the options look like packages, hence the two exceptions.)
# hadolint ignore=SC2086,DL3013
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-deps ${TORCH_PIP_ARGS} "torch==${TORCH_VERSION}" \
    && if compgen -G "/opt/venv/lib/python3.11/site-packages/torch/lib/libtorch_cuda*" > /dev/null; \
       then echo "this is a GPU build of torch: name an index with CPU builds in TORCH_PIP_ARGS" >&2; \
       exit 1; fi
COPY requirements/runtime.txt /tmp/runtime.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-deps --require-hashes -r /tmp/runtime.txt

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

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 cimiento \
    && useradd --uid 10001 --gid cimiento --no-create-home --home-dir /data \
       --shell /usr/sbin/nologin cimiento \
    && install --directory --owner cimiento --group cimiento --mode 0700 /data
COPY --from=packages /opt/venv /opt/venv
COPY --from=models /opt/models /opt/models
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /opt/venv/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
COPY LICENSE NOTICE /usr/share/doc/cimiento/

# HOME is for libraries that insist on one; nothing of ours is kept there. 0.0.0.0 is the container's
# own address: which of the host's addresses is open is for `--publish` to say.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    CIMIENTO_DATA_DIR=/data \
    CIMIENTO_MODELS__DIR=/opt/models \
    CIMIENTO_SERVER__HOST=0.0.0.0 \
    CIMIENTO_SERVER__PUBLIC_URL=http://localhost:8420
WORKDIR /data
# by number: an orchestrator can then see that it is not root
USER 10001:10001
VOLUME /data
EXPOSE 8420
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8420/health/ready', timeout=4)"]
ENTRYPOINT ["cimiento"]
CMD ["serve"]
