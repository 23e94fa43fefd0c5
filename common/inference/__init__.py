"""ONNX models on the fastest runtime of the machine."""
