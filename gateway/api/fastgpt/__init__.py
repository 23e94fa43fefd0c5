"""`POST /v1/parse/file` and `/v2/parse/file`: the PDF parser that FastGPT can be given the URL of."""
