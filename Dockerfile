# pnr_jax in a container: the wheel, nothing else.
#
#   docker build --target=cpu --tag=pnr-jax:cpu .
#   docker build --target=cuda --tag=pnr-jax:latest .
#   docker run --rm --gpus=all --volume="$PWD/runs:/runs" pnr-jax pnr-train --config=quickstart \
#     --workdir=/runs/quickstart
#
# CUDA's libraries come with jax's wheels; the host has the driver and NVIDIA's container toolkit.
# Whoever runs it in the container owns what it writes: --user="$(id -u):$(id -g)".

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir=/wheel .

FROM python:3.12-slim AS base
# Compiled programs are kept where any user of the container may write.
ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1 \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/tmp
RUN useradd --create-home --uid=1000 pnr && install --directory --owner=pnr /runs /data
WORKDIR /runs

FROM base AS cpu
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir "$(echo /wheel/*.whl)[studio,video]"
USER 1000
EXPOSE 8000
CMD ["pnr-studio", "--host=0.0.0.0"]

FROM base AS cuda
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir "$(echo /wheel/*.whl)[gcs,studio,video,cuda]"
USER 1000
EXPOSE 8000
CMD ["pnr-train", "--help"]
