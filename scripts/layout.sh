#!/bin/sh
# Makes .venv-layout, the environment that PaddleOCR's layout detection runs in (LAYOUT_ENGINE=paddleocr).
#
#   sh scripts/layout.sh [tests]
#
# `tests` leaves one that LAYOUT_PYTHON names alone. Where the environment can't be had, the tests that need PaddleOCR skip
# themselves: one sentence says why, and `make test` goes on. With REQUIRE_LAYOUT=1 it fails instead.
set -u

make_environment() {
    sh scripts/venv.sh -s "300 MB" .venv-layout requirements/layout.txt
}

make_for_tests() {
    [ -z "${LAYOUT_PYTHON:-}" ] || return 0
    if [ "${REQUIRE_LAYOUT:-}" = 1 ]; then
        make_environment
        return
    fi
    log=$(mktemp) || return 1
    make_environment 2>"$log" ||
        echo "The tests that need PaddleOCR will be skipped: $(sed 's/^paddleocr-vl-service: //' "$log" | tail -n 1)" >&2
    rm -f "$log"
}

case ${1:-} in
    "") make_environment ;;
    tests) make_for_tests ;;
    *)
        echo "paddleocr-vl-service: usage: sh scripts/layout.sh [tests]" >&2
        exit 1
        ;;
esac
