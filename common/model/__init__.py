"""The project's words as types: streams, instruments, intervals, events, ids.

Pure: no I/O, no clock, and nothing of ours is imported from here.
"""
