"""What a worker says about itself: records, health, metrics, and logs without secrets.

Nothing here decides anything about data; nothing here says ok that is not.
"""
