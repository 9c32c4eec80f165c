"""Real Redis and RabbitMQ, privately: found or fetched, started on loopback, ended without trace.

``RedisServer`` and ``RabbitServer`` are the same for the quick start and for the tests.
``python -m scripts.engines`` fetches what this machine lacks.
"""

from scripts.engines.locate import MissingEngineError
from scripts.engines.rabbit import RabbitServer
from scripts.engines.redis import RedisServer

__all__ = ["MissingEngineError", "RabbitServer", "RedisServer"]
