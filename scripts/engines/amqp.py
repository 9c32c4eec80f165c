"""Whether a broker really serves: a whole AMQP greeting, up to an open vhost and back."""

from __future__ import annotations

import contextlib
import socket

from pamqp import commands, frame
from pamqp.base import Frame
from pamqp.header import ProtocolHeader

TIMEOUT_S = 5.0
MORE = 65536


def accepts(host: str, port: int, user: str = "guest", password: str = "guest") -> bool:  # noqa: S107
    """Log in, open the vhost ``/``, close; False as long as any of it fails."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), TIMEOUT_S) as line:
        line.sendall(ProtocolHeader().marshal())
        if not isinstance(_next(line), commands.Connection.Start):
            return False
        _send(line, commands.Connection.StartOk(response=f"\0{user}\0{password}"))
        tune = _next(line)
        if not isinstance(tune, commands.Connection.Tune):
            return False
        _send(line, commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        _send(line, commands.Connection.Open("/"))
        opened = isinstance(_next(line), commands.Connection.OpenOk)
        _send(line, commands.Connection.Close(200, "ready", 0, 0))
        _next(line)
        return opened
    return False


def _send(line: socket.socket, method: Frame) -> None:
    line.sendall(frame.marshal(method, 0))


def _next(line: socket.socket) -> object:
    """The next frame, or None when the peer hangs up."""
    data = b""
    while True:
        consumed, _channel, value = frame.unmarshal(data) if data else (0, 0, None)
        if consumed:
            return value
        more = line.recv(MORE)
        if not more:
            return None
        data += more
