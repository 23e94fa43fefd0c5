#!/bin/sh
# Takes out of the virtual environment FOLDER what OpenVINO brings for other devices and other kinds of model, 80 MB: the
# service runs ONNX models on the CPU. Does nothing where OpenVINO is not installed.
#
#   sh scripts/trim.sh FOLDER
set -u

for openvino in "$1"/lib/python3*/site-packages/openvino; do
    [ -d "$openvino/libs" ] || continue
    rm -rf "$openvino/include" "$openvino/cmake" "$openvino/libs/cache.json"
    for part in intel_gpu_plugin intel_npu_plugin tensorflow_frontend tensorflow_lite_frontend pytorch_frontend \
        paddle_frontend gguf_frontend jax_frontend; do
        rm -f "$openvino/libs/libopenvino_$part".so*
    done
done
