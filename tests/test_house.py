"""The house stands: imports run downward only, in no circle, and no exchange leaks out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXCHANGE_NAMES = {path.name for path in (ROOT / "common" / "exchanges").iterdir() if path.is_dir()}
EXCHANGE_NAMES -= {"__pycache__"}

# Each floor may use what is below it, and what stands beside it where it says so.
FLOORS: dict[str, set[str]] = {
    "common.model": set(),
    "common.clocks": set(),
    "common.gateway": set(),
    "common.exchanges": {"common.model"},
    "common.session": {"common.exchanges", "common.model", "common.clocks", "common.gateway"},
    "common.fleet": {"common.exchanges", "common.model", "common.clocks"},
    "common.recovery": {"common.exchanges", "common.model", "common.clocks", "common.gateway"},
    "common.publish": {"common.exchanges", "common.model", "common.clocks"},
    "common.ops": {"common.exchanges", "common.model", "common.clocks"},
    "config": {"common.exchanges", "common.model", "common.clocks"},
    "workers": {"config", "common"},
}


def modules(*folders: str) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def floor_of(name: str) -> str | None:
    return next((floor for floor in FLOORS if within(name, floor)), None)


PRODUCT = list(modules("common", "config", "workers"))


@pytest.mark.parametrize(("name", "path"), PRODUCT, ids=[name for name, _ in PRODUCT])
def test_imports_run_downward_only(name: str, path: Path) -> None:
    floor = floor_of(name)
    if floor is None:
        assert name == "common", f"{name} stands on no floor"
        return
    allowed = FLOORS[floor] | {floor}
    for used in imports(path):
        if used.split(".")[0] in ("scripts", "simulator", "tests"):
            pytest.fail(f"{name} uses {used}, which is not part of the product")
        if used.split(".")[0] in ("common", "config", "workers"):
            assert any(within(used, other) for other in allowed), f"{name} may not use {used}"


def test_there_is_no_circle() -> None:
    known = {name for name, _ in PRODUCT}
    uses = {
        name: {used for used in imports(path) if used in known and used != name}
        for name, path in PRODUCT
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path, name))
        if name not in done:
            for used in uses[name]:
                visit(used, (*path, name))
            done.add(name)

    for name in uses:
        visit(name, ())


def test_no_exchange_is_named_outside_its_folder() -> None:
    assert EXCHANGE_NAMES
    offenders = []
    for name, path in PRODUCT:
        if within(name, "common.exchanges"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in EXCHANGE_NAMES:
                offenders.append(f"{name}:{node.lineno} {node.value!r}")
    assert offenders == []


def test_only_the_clocks_read_the_time() -> None:
    forbidden = ("time.time", "time.monotonic", "time.perf_counter", "datetime.now", "utcnow")
    offenders = [
        f"{name}: {word}"
        for name, path in PRODUCT
        if name != "common.clocks"
        for word in forbidden
        if word in path.read_text()
    ]
    assert offenders == []


def test_the_foundation_is_pure() -> None:
    io = {"asyncio", "redis", "aio_pika", "websockets", "httpx", "aiohttp", "loguru", "socket"}
    for name, path in PRODUCT:
        if within(name, "common.model") or within(name, "common.exchanges"):
            used = {module.split(".")[0] for module in imports(path)}
            assert not used & io, name
