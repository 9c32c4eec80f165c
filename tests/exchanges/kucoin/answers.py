"""Answers of KuCoin's REST, and whose they are."""

from __future__ import annotations

import json
from typing import Any

from common.exchanges.private import Credentials
from common.model.secret import Secret

ACCOUNT = Credentials(Secret("k"), Secret("s"), Secret("p"))


def body(data: Any) -> bytes:
    return json.dumps({"code": "200000", "data": data}).encode()
