#!/bin/sh
# Builds an image with whichever of docker, podman and buildah is there (BUILDER=… chooses one):
#
#   sh docker/build.sh cpu|gpu [ARGUMENT...]
#
# IMAGE names it; the arguments, for example --build-arg WEIGHTS=1, are the builder's.
set -eu

fail() {
    echo "paddleocr-vl-service: $*" >&2
    exit 1
}

kind=${1:-}
case $kind in
    cpu | gpu) shift ;;
    *) fail "usage: sh docker/build.sh cpu|gpu [ARGUMENT...]" ;;
esac

builder=${BUILDER:-}
for candidate in docker podman buildah; do
    # `info` fails where there is a client and nothing behind it.
    [ -n "$builder" ] || ! "$candidate" info >/dev/null 2>&1 || builder=$candidate
done
[ -n "$builder" ] || fail "none of docker, podman and buildah works here; install one (Debian: apt install buildah)."

export DOCKER_BUILDKIT=1

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' gateway/__init__.py)
exec "$builder" build "$@" \
    -f "docker/Dockerfile.$kind" \
    -t "${IMAGE:-paddleocr-vl-service:$version-$kind}" \
    --build-arg "VERSION=$version" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    .
