"""Where pictures are kept that clients fetch later, and documents that lie in a bucket."""
