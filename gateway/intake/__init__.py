"""Bytes to pages. Whatever reads hostile bytes (PDF and image decoders) runs in worker processes, never in the gateway.

Imports nothing here: the worker processes load this package and have to start fast and small.
"""
