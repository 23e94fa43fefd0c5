"""Documents that are read after their request has ended: jobs that outlive a client, a request and the process."""
