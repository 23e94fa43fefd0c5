"""`/api/v2/ocr/jobs`, the API of PaddleOCR's hosted service: its SDK, its command and many integrations speak it."""
