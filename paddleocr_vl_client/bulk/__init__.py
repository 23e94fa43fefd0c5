"""`paddleocr-vl bulk`: folders and buckets of documents. Needs the extra `bulk`: pyarrow, and Ray Data for clusters."""
