"""The exchanges, one folder each, and what they all must offer (``protocol``).

Pure: bytes and metadata in, events and requests out. No socket, no clock, no Redis.
"""
