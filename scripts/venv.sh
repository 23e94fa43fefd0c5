#!/bin/sh
# Makes FOLDER a virtual environment that holds exactly the packages pinned in REQUIREMENTS; does nothing if it already is.
#
#   sh scripts/venv.sh FOLDER REQUIREMENTS
#
# The copy of the requirements file inside the environment is written last. An environment without it, or with another
# one, was interrupted or is out of date and is built anew, so no package of an older set stays behind.
# PYTHON=/path/to/python chooses the interpreter.
set -u

folder=$1
requirements=$2
stamp=$folder/installed-requirements.txt

fail() {
    echo "paddleocr-vl-service: $*" >&2
    exit 1
}

# Prints "3.12" for an interpreter that runs, nothing for one that does not.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_new_enough() {
    case $1 in
        3.*) [ "${1#3.}" -ge 11 ] 2>/dev/null ;;
        *) return 1 ;;
    esac
}

has_module() {
    "$1" -c "import $2" >/dev/null 2>&1
}

# `venv` needs ensurepip to put pip inside; Debian ships that in a package of its own.
find_builder() {
    for python in $candidates; do
        if has_module "$python" ensurepip && has_module "$python" venv; then
            builder="$python -m venv"
            return 0
        fi
    done
    for python in $candidates; do
        if has_module "$python" virtualenv; then
            builder="$python -m virtualenv --quiet"
            return 0
        fi
    done
    if virtualenv --version >/dev/null 2>&1; then
        python=${candidates%% *}
        builder="virtualenv --quiet --python $python"
        return 0
    fi
    return 1
}

if cmp -s "$requirements" "$stamp" && [ -n "$(version_of "$folder/bin/python")" ]; then
    exit 0
fi

candidates=
seen=
for python in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
    version=$(version_of "$python") || continue
    [ -n "$version" ] || continue
    if is_new_enough "$version"; then
        candidates="${candidates:+$candidates }$python"
    else
        seen="$python is $version"
    fi
done
if [ -z "$candidates" ]; then
    [ -n "$seen" ] && fail "Python 3.11 or newer is needed, but $seen; install a newer one (Debian: apt install python3 python3-venv) or name one with PYTHON=/path/to/python3."
    fail "Python 3.11 or newer is needed, and none was found${PYTHON:+ at $PYTHON}; install it (Debian: apt install python3 python3-venv) or name one with PYTHON=/path/to/python3."
fi
find_builder || fail "${candidates%% *} cannot create virtual environments; install the package python$(version_of "${candidates%% *}")-venv (Debian: apt install python$(version_of "${candidates%% *}")-venv) or virtualenv."

echo "Preparing $folder with Python $(version_of "$python") from $requirements; the first time this downloads some 170 MB."
rm -rf "$folder" || fail "the half-made folder $folder cannot be removed; remove it by hand and start again."
log=$(mktemp) || fail "no temporary file can be made; is the disk full, or TMPDIR not writable?"
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

$builder "$folder" >"$log" 2>&1 ||
    fail "$builder $folder failed: $(grep -v '^ *$' "$log" | tail -n 1)"

PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    --only-binary :all: --require-hashes --no-deps -r "$requirements" 2>"$log" || {
    reason=$(grep -E '^ERROR:|rror:' "$log" | tail -n 1)
    [ -n "$reason" ] || reason=$(tail -n 1 "$log")
    echo "$reason" >&2
    fail "pip could not install the packages of $requirements; check the network and the package index (pip config list), then run the same command again."
}
cp "$requirements" "$stamp" || fail "$stamp cannot be written."
