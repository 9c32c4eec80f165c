"""A way in by TLS to a server that has none, for clients that insist on it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import (
    BasicConstraints,
    CertificateBuilder,
    IPAddress,
    Name,
    NameAttribute,
    SubjectAlternativeName,
    random_serial_number,
)
from cryptography.x509.oid import NameOID

_HOST = "127.0.0.1"


@asynccontextmanager
async def tls(port: int, certificate: Path) -> AsyncIterator[int]:
    """The port that leads to ``port``; whom to trust is written to ``certificate``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_written(certificate))
    under_way: set[asyncio.Task[None]] = set()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(_HOST, port)
        for pump in (_pump(reader, there[1]), _pump(there[0], writer)):
            under_way.add(task := asyncio.create_task(pump))
            task.add_done_callback(under_way.discard)

    server = await asyncio.start_server(join, _HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in (ending := tuple(under_way)):
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Hand on everything; when one side ends, so does the other."""
    try:
        with suppress(OSError):
            while data := await source.read(2**16):
                sink.write(data)
                await sink.drain()
    finally:
        sink.close()


def _written(certificate: Path) -> Path:
    """A certificate for this machine and its key, made for the day."""
    key = generate_private_key(SECP256R1())
    name = Name([NameAttribute(NameOID.COMMON_NAME, _HOST)])
    now = datetime.now(UTC)
    made = (
        CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(SubjectAlternativeName([IPAddress(ip_address(_HOST))]), critical=False)
        .add_extension(BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate.write_bytes(private + made.public_bytes(Encoding.PEM))
    return certificate
