#!/bin/sh
# What a container of either image runs. Makes the environment one that any user on any platform can work in, then becomes
#
#   (nothing), serve, --OPTION…     the service
#   doctor …                        the VLM tier's command of that name
#   fetch-models                    downloads layout model and weights into VLM_MODEL_DIR; with options the weights only
#   anything else                   that program
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
python=${GATEWAY_PYTHON:-python}

say() {
    echo "paddleocr-vl-service: $*" >&2
}

is_writable() {
    mkdir -p "$1" 2>/dev/null && (: >"$1/.writable.$$") 2>/dev/null && rm -f "$1/.writable.$$"
}

# Every variable that names a place below $1 names the same place below $2 from now on.
move_below() {
    for name in $(env | sed -n "s|^\([A-Za-z_][A-Za-z0-9_]*\)=$1\(/.*\)\{0,1\}\$|\1|p"); do
        eval "place=\$$name"
        export "$name=$2${place#"$1"}"
    done
}

cache=${CACHE_DIR:-$root/cache}
if ! is_writable "$cache"; then
    fallback=${TEMP_DIR:-$root/temp}/cache
    say "$cache is not writable; caches go to $fallback and are lost with it."
    move_below "$cache" "$fallback"
    cache=$fallback
fi

if [ -z "${HOME:-}" ] || ! is_writable "$HOME"; then
    export HOME="$cache/home"
    mkdir -p "$HOME" 2>/dev/null
fi

# A user id without a name makes getpass.getuser() fail unless one of these says who it is.
export USER="${USER:-ocr}" LOGNAME="${LOGNAME:-ocr}"

# Another environment's packages would be mixed into the gateway's.
unset PYTHONPATH PYTHONHOME

# Kubernetes gives every container the address of a service named `vlm` under the name of our setting.
case ${VLM_PORT:-} in
    tcp://*) unset VLM_PORT ;;
esac

# Vertex AI's name for what others call PORT.
[ -n "${PORT:-}" ] || [ -z "${AIP_HTTP_PORT:-}" ] || export PORT="$AIP_HTTP_PORT"

# The layout model lies beside the weights, if the build or `fetch-models` has put it there.
case ${LAYOUT_MODEL:-} in
    PP-*) layout_model=$LAYOUT_MODEL ;;
    *) layout_model=PP-DocLayoutV3 ;;
esac
layout=${VLM_MODEL_DIR:-$root/models}/$layout_model
if [ -z "${LAYOUT_MODEL_DIR:-}" ] && [ -f "$layout/inference.onnx" ]; then
    export LAYOUT_MODEL_DIR="$layout"
fi

case ${1:-} in
    "" | serve | -*)
        [ "${1:-}" != serve ] || shift
        cd "$root" && exec "$python" -m supervision.launch "$@"
        ;;
    fetch-models)
        cd "$root" || exit 1
        [ $# != 1 ] || "$python" -m gateway.layout.fetch_model --model "$layout_model" --to "$layout" || exit 1
        exec "$python" -m vlm_backend "$@"
        ;;
    doctor)
        cd "$root" && exec "$python" -m vlm_backend "$@"
        ;;
    *) exec "$@" ;;
esac
