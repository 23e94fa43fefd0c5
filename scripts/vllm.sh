#!/bin/sh
# Makes .venv-vllm, the environment that vLLM runs in.
#
#   sh scripts/vllm.sh cuda|cpu|tests
#
# `tests` leaves an environment for GPUs, and one that VLLM_PYTHON names, alone; else it makes the one for CPUs. Where that
# can't be had, the tests that need vLLM skip themselves: one sentence says why, and `make test` goes on. With
# REQUIRE_VLLM=1 it fails instead.
set -u

folder=.venv-vllm
lock=vlm_backend/requirements

fail() {
    echo "paddleocr-vl-service: $*" >&2
    exit 1
}

check_platform() {
    case "$(uname -s) $(uname -m)" in
        "Linux x86_64" | "Linux aarch64") ;;
        *) fail "there is no vLLM for $(uname -s) on $(uname -m), only for Linux on x86_64 and aarch64." ;;
    esac
}

make_cuda() {
    check_platform
    sh scripts/venv.sh -b 14 -c vlm_backend.install_check -s "4 to 6 GB" "$folder" "$lock-cuda.txt"
}

make_cpu() {
    check_platform
    sh scripts/venv.sh -a scripts/libnuma.sh -b 14 -c vlm_backend.install_check -s "600 MB" "$folder" "$lock-cpu.txt" "$lock-cpu-torch.txt"
}

make_for_tests() {
    [ -z "${VLLM_PYTHON:-}" ] || return 0
    grep -q '^vllm==' "$folder/installed-requirements.txt" 2>/dev/null && return 0
    if [ "${REQUIRE_VLLM:-}" = 1 ]; then
        make_cpu
        return
    fi
    log=$(mktemp) || fail "no temporary file can be made; is the disk full, or TMPDIR not writable?"
    (make_cpu) 2>"$log" || echo "The tests that need vLLM will be skipped: $(sed 's/^paddleocr-vl-service: //' "$log" | tail -n 1)" >&2
    rm -f "$log"
}

case ${1:-} in
    cuda) make_cuda ;;
    cpu) make_cpu ;;
    tests) make_for_tests ;;
    *) fail "usage: sh scripts/vllm.sh cuda|cpu|tests" ;;
esac
