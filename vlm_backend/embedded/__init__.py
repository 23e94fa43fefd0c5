"""The embedded engine: PP-OCR on the CPU behind the same OpenAI API that vLLM gives for PaddleOCR-VL."""
