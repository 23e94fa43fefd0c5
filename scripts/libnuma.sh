#!/bin/sh
# Gives the environment FOLDER the library libnuma.so.1, which vLLM's build for CPUs needs and no wheel brings.
#
#   sh scripts/libnuma.sh FOLDER
#
# Does nothing where the machine has it. Else apt downloads Debian's or Ubuntu's package, with lists and caches in a
# folder of our own, so that no root is needed, and the library is loaded by each start of the environment's Python.
set -u

folder=$1
python=$folder/bin/python

"$python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null && exit 0

fail() {
    echo "paddleocr-vl-service: vLLM's build for CPUs needs libnuma.so.1, and $*; install it (Debian: apt install libnuma1, Fedora: dnf install numactl-libs)." >&2
    exit 1
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "this machine has neither it nor apt-get"
work=$(mktemp -d) || fail "no temporary folder can be made to download it"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"

# As root, apt would have its own user download, who may not write here.
apt() {
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o "Dir::Cache=$work/cache" "$@") >/dev/null 2>&1
}

if ! apt download libnuma1; then
    apt -o "Dir::State=$work/state" -o Acquire::Languages=none update
    apt -o "Dir::State=$work/state" download libnuma1 || fail "apt-get could not download it"
fi
dpkg-deb -x "$work"/libnuma1_*.deb "$work/content" || fail "its package could not be unpacked"
found=$(find "$work/content" -name 'libnuma.so.1' | head -n 1)
[ -n "$found" ] || fail "the package holds none"

library=$(cd "$folder" && pwd)/lib/libnuma.so.1
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -L "$found" "$library" || fail "$library cannot be written"
# A library that is loaded serves all that ask for its name later.
echo "import ctypes; ctypes.CDLL('$library')" >"$packages/libnuma.pth" || fail "$packages cannot be written"
