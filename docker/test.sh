#!/bin/sh
# Builds both images with buildah and without a container engine, and runs the tests of them:
#
#   sh docker/test.sh PYTHON [ARGUMENT...]
#
# PYTHON has the packages of requirements/dev.txt; the arguments are pytest's. Needs root, buildah and debootstrap, and
# 15 GB of disk. Registries are not needed: the bases are a Debian made here, the one for the GPU image with vLLM's build
# for CPUs in it. Everything stays in build/containers, and what is there is not made again; remove it when you are done.
set -eu

python=$1
shift
suite=bookworm
certificates=/etc/ssl/certs/ca-certificates.crt
store=$PWD/build/containers
lock=vlm_backend/requirements

fail() {
    echo "paddleocr-vl-service: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "only root can mount images; run this as root."
for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || fail "$tool was not found; install it (Debian: apt install $tool)."
done

mkdir -p "$store"
cat >"$store/storage.conf" <<END
[storage]
driver = "vfs"
graphroot = "$store/storage"
runroot = "$store/run"
END
export CONTAINERS_STORAGE_CONF="$store/storage.conf" BUILDER=buildah BUILDAH_ISOLATION=chroot

has_image() {
    buildah inspect --type image "$1" >/dev/null 2>&1
}

# The machine's own certificates may be those of a proxy.
make_debian() {
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv "$suite" "$1" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$store/debootstrap.log"
    cp "$certificates" "$1$certificates"
    printf '[global]\ncert = %s\n' "$certificates" >"$1/etc/pip.conf"
    rm -rf "$1"/var/cache/apt/archives/*.deb
}

add_vllm() {
    packages=$1/usr/local/lib/python3.11/dist-packages
    for requirements in "$lock-cpu.txt" "$lock-cpu-torch.txt"; do
        "$python" -m pip install -q --no-compile --no-deps --only-binary :all: --python-version 3.11 \
            --target "$packages" -r "$requirements"
    done
}

# make_base KIND: an image without layers below it, from a folder.
make_base() {
    has_image "localhost/base-$1" && return
    folder=$store/base-$1
    rm -rf "$folder"
    make_debian "$folder"
    [ "$1" = cpu ] || add_vllm "$folder"
    container=$(buildah from scratch)
    buildah add -q "$container" "$folder" / >/dev/null
    buildah commit -q --rm "$container" "localhost/base-$1" >/dev/null
    rm -rf "$folder"
}

for kind in cpu gpu; do
    make_base "$kind"
    IMAGE=localhost/paddleocr-vl-service-$kind sh docker/build.sh "$kind" -q --build-arg "BASE=localhost/base-$kind"
done

CPU_IMAGE=localhost/paddleocr-vl-service-cpu GPU_IMAGE=localhost/paddleocr-vl-service-gpu \
    exec "$python" -m tests.support.leftovers "$python" -m pytest -v -p no:cacheprovider tests/image "$@"
