"""`/file_parse` and `/tasks`: the API of a MinerU 3 that people run themselves, for its clients."""
