"""What clients' bodies cost: they are parsed, put together anew and exported in processes that may be killed."""
