#!/usr/bin/env bash
# Trains on a Cloud TPU VM or pod slice, and brings it back when it is preempted.
#
#   NAME=pnr ZONE=us-central2-b TYPE=v4-32 launch/tpu_vm.sh \
#       --config=configs/market1501_supervised_lad.py --data_dir=gs://BUCKET/data \
#       --workdir=gs://BUCKET/runs/lad
#
# It assumes: gcloud, logged in, with a project that may create TPU VMs (TYPE, spot); a bucket in the
# same region with the prepared data in it, where the VM's service account may read and write
# (roles/storage.objectUser and, for the bucket itself, roles/storage.legacyBucketReader). The
# workdir lies in the bucket, so a new VM goes on from the last checkpoint. It runs
# until training ends by itself; an error of the user's (exit code 2) stops it, and so do
# three installs in a row that fail.
set -euo pipefail

: "${NAME:?the TPU VM to create or use}" "${ZONE:?}" "${TYPE:?such as v4-32}"
VERSION=${VERSION:-tpu-ubuntu2204-base}
REPOSITORY=${REPOSITORY:-$(git remote get-url origin)}
COMMIT=$(git rev-parse HEAD)
gcloud=(gcloud compute tpus tpu-vm)

state() {
  "${gcloud[@]}" describe "$NAME" --zone="$ZONE" --format='value(state)' 2>/dev/null || echo NONE
}

on_all() {
  "${gcloud[@]}" ssh "$NAME" --zone="$ZONE" --worker=all --command="$1"
}

ready() {
  case $(state) in
    READY) return ;;
    NONE) ;;
    *) "${gcloud[@]}" delete "$NAME" --zone="$ZONE" --quiet ;; # Preempted, or broken.
  esac
  "${gcloud[@]}" create "$NAME" --zone="$ZONE" --accelerator-type="$TYPE" --version="$VERSION" --spot
}

install() {
  on_all "set -e
    test -d pnr_jax || git clone --quiet '$REPOSITORY' pnr_jax
    cd pnr_jax && git fetch --quiet && git checkout --quiet '$COMMIT'
    python3 -m pip install --quiet --user uv # The VM's own Python may be older than 3.11.
    test -d .venv || python3 -m uv venv --quiet --python 3.12
    python3 -m uv pip install --quiet --editable '.[gcs]' 'jax[tpu]'"
}

# Of glibc: huge pages, and one arena a core (pnr_jax/cli.py says why).
malloc="GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=\$(nproc)"
arguments=$(printf ' %q' "$@")
log=$(mktemp)
failed=0
while true; do
  if ready; then
    if ! install; then
      ((++failed < 3)) || exit 1
    else
      status=0 failed=0
      on_all "cd pnr_jax && $malloc .venv/bin/python launch/train.py --distributed$arguments" |
        tee "$log" || status=$?
      # A run that saved because the VM is being taken away ends with 0 too, but is not done.
      if ((status == 2)) || grep --quiet 'trained at step' "$log"; then
        exit "$status"
      fi
    fi
  fi
  echo "$(date --iso-8601=seconds) $NAME: $(state); trying again in a minute" >&2
  sleep 60
done
