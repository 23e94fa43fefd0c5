#!/bin/sh
# Makes FOLDER a virtual environment that holds exactly the packages pinned in REQUIREMENTS; does nothing if it already is.
#
#   sh scripts/venv.sh [-a SCRIPT] [-b VERSION] [-c MODULE] [-s SIZE] FOLDER REQUIREMENTS [UNHASHED]
#
#   -a  `sh SCRIPT FOLDER` has to succeed after the packages are installed
#   -b  the interpreter has to be older than Python 3.VERSION
#   -c  `python -m MODULE REQUIREMENTS UNHASHED` in the new environment has to succeed
#   -s  what the first download amounts to, for the message
#   UNHASHED  a second requirements file, without hashes, installed on top with what its packages need
#
# The copy of the requirements inside the environment is written last. An environment without it, or with another one,
# was interrupted or is out of date and is built anew, so no package of an older set stays behind.
# PYTHON=/path/to/python chooses the interpreter.
set -u

after=
too_new=
check=
size="170 MB"
while getopts a:b:c:s: option; do
    case $option in
        a) after=$OPTARG ;;
        b) too_new=$OPTARG ;;
        c) check=$OPTARG ;;
        s) size=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
folder=$1
requirements=$2
unhashed=${3:-}
stamp=$folder/installed-requirements.txt
needed="Python 3.11 or newer"
[ -z "$too_new" ] || needed="Python 3.11 to 3.$((too_new - 1))"

fail() {
    echo "paddleocr-vl-service: $*" >&2
    exit 1
}

# Prints "3.12" for an interpreter that runs, nothing for one that does not.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_suitable() {
    case $1 in
        3.*) [ "${1#3.}" -ge 11 ] 2>/dev/null && [ "${1#3.}" -lt "${too_new:-1000}" ] ;;
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

# The second file may be none: "$unhashed" then must not stand here in quotes.
# shellcheck disable=SC2086
if cat "$requirements" $unhashed | cmp -s - "$stamp" && [ -n "$(version_of "$folder/bin/python")" ]; then
    exit 0
fi

candidates=
seen=
for python in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
    version=$(version_of "$python") || continue
    [ -n "$version" ] || continue
    if is_suitable "$version"; then
        candidates="${candidates:+$candidates }$python"
    else
        seen="$python is $version"
    fi
done
if [ -z "$candidates" ]; then
    [ -n "$seen" ] && fail "$needed is needed, but $seen; install one (Debian: apt install python3 python3-venv) or name one with PYTHON=/path/to/python3."
    fail "$needed is needed, and none was found${PYTHON:+ at $PYTHON}; install it (Debian: apt install python3 python3-venv) or name one with PYTHON=/path/to/python3."
fi
find_builder || fail "${candidates%% *} cannot create virtual environments; install the package python$(version_of "${candidates%% *}")-venv (Debian: apt install python$(version_of "${candidates%% *}")-venv) or virtualenv."

echo "Preparing $folder with Python $(version_of "$python") from $requirements; the first time this downloads some $size."
rm -rf "$folder" || fail "the half-made folder $folder cannot be removed; remove it by hand and start again."
log=$(mktemp) || fail "no temporary file can be made; is the disk full, or TMPDIR not writable?"
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

$builder "$folder" >"$log" 2>&1 ||
    fail "$builder $folder failed: $(grep -v '^ *$' "$log" | tail -n 1)"

# Installs from the requirements file that is the first argument; more arguments are pip's.
install() {
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: -r "$@" 2>"$log" && return
    reason=$(grep -E '^ERROR:|rror:' "$log" | tail -n 1)
    [ -n "$reason" ] || reason=$(tail -n 1 "$log")
    echo "$reason" >&2
    fail "pip could not install the packages of $1; check the network and the package index (pip config list), then run the same command again."
}

install "$requirements" --require-hashes --no-deps
[ -z "$unhashed" ] || install "$unhashed"
[ -z "$after" ] || sh "$after" "$folder" || exit 1
# shellcheck disable=SC2086
[ -z "$check" ] || "$folder/bin/python" -m "$check" "$requirements" $unhashed ||
    fail "the packages of $requirements are installed in $folder, but don't work there, see above."
# shellcheck disable=SC2086
cat "$requirements" $unhashed >"$stamp" || fail "$stamp cannot be written."
