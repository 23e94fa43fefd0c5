"""`/v1/ocr` and `/v1/files`: Mistral's API of document OCR, for its clients."""
