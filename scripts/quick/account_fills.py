"""The fills of one account against the truth. Pure."""

from __future__ import annotations

from decimal import Decimal

from scripts.quick.account_case import Case, differences
from scripts.quick.account_verdict import Body

WORDS = (
    ("symbol", "symbol"),
    ("side", "side"),
    ("feeAsset", "feeAsset"),
    ("maker", "maker"),
    ("liquidation", "liquidation"),
    ("eventTime", "timeMs"),
)
# What a trade was worth is told to so many decimals, or follows from price and size.
WORTH_WITHIN = Decimal("2e-8")


def judge_fills(case: Case, *, fees: bool) -> None:
    """All of a case's trades; ``fees``: each has to come with its fee."""
    bodies = case.of("fill")
    told = {(body["orderId"], body["tradeId"]): body for body in bodies}
    if len(told) < len(bodies):
        case.blame("fills_wrong", "a trade came under two names")
    ids = {order["order"]: order["orderId"] for order in case.orders}
    for fill in case.fills:
        case.verdict.fills += 1
        body = told.pop((ids[fill["order"]], fill["tradeId"]), None)
        if body is None:
            case.blame("fills_missing", f"trade {fill['tradeId']} of {ids[fill['order']]}")
        elif wrong := _differs(case, fill, body, fees=fees):
            case.blame("fills_wrong", f"trade {fill['tradeId']}: {wrong}")
    for order_id, trade_id in told:
        case.blame("fills_wrong", f"trade {trade_id} of {order_id} never was")


def _differs(case: Case, fill: Body, body: Body, *, fees: bool) -> str:
    size = "value" if case.by_value else "quantity"
    for there, here in (("price", "price"), (size, case.sized), ("fee", "fee")):
        if here == "fee" and here not in body and not fees:
            continue
        if here not in body:
            return f"no {here}"
        if Decimal(body[here]) != Decimal(fill[there]):
            return f"{here} {body[here]}, and is {fill[there]}"
    if "side" not in body:
        return "no side"
    # What contracts of so much of the quote asset are worth in it has no place in the truth.
    worth = None if case.market == "inverse" else body.get("quoteQuantity")
    if worth is not None and abs(Decimal(worth) - Decimal(fill["value"])) > WORTH_WITHIN:
        return f"quoteQuantity {worth}, and is {fill['value']}"
    return "; ".join(differences(body, fill, WORDS))
