"""Accounts traded on paper, as their service tells them: one place for each market of each exchange.

A place has the name that older backends have for it (``paperBinanceUsdm``), and the prices and symbols of
its market, spelled as they spell them. Nothing is told but orders, with their totals, and balances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.accounts.model import ZERO, Fact, Fill, Order, Status
from simulator.exchanges.protocol import Exchange
from simulator.feeds import Push, SilentFeed, Wanted
from simulator.listing import Listed, Listing
from simulator.world import World

# What the service calls the markets: orders say it in ``exchange``.
VARIANTS: Mapping[tuple[str, Market], str] = {
    ("binance", "spot"): "binance",
    ("binance", "linear"): "binanceUsdm",
    ("binance", "inverse"): "binanceCoinm",
    ("bitget", "spot"): "bitget",
    ("bitget", "linear"): "bitgetUsdm",
    ("bitget", "inverse"): "bitgetCoinm",
    ("bybit", "spot"): "bybit",
    ("bybit", "linear"): "bybitLinear",
    ("bybit", "inverse"): "bybitInverse",
    ("coinbase", "spot"): "coinbase",
    ("kucoin", "spot"): "kucoin",
    ("kucoin", "linear"): "kucoinLinear",
    ("kucoin", "inverse"): "kucoinInverse",
    ("okx", "spot"): "okx",
    ("okx", "linear"): "okxLinear",
    ("okx", "inverse"): "okxInverse",
}
ORDER, BALANCES = "order", "outboundAccountInfo"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def create_paper(world: World, exchanges: Mapping[str, Exchange]) -> Mapping[str, PaperExchange]:
    """All places, by name."""
    places = (
        PaperExchange(world, exchanges[name], market, variant)
        for (name, market), variant in VARIANTS.items()
        if name in exchanges
    )
    return {place.name: place for place in places}


class PaperExchange:
    """A place, as those see it who open accounts and trade for them."""

    def __init__(self, world: World, exchange: Exchange, market: Market, variant: str) -> None:
        self.name = f"paper{variant[0].upper()}{variant[1:]}"
        self.markets: Collection[Market] = (market,)
        self.private = PaperAccounts(world, self, exchange, variant)
        self._exchange = exchange

    def symbol(self, listed: Listed) -> str:
        """As the exchange spells it: so it has to be told in the end."""
        return self._exchange.symbol(listed)

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing that the exchange spells so."""
        return self._exchange.find(market, symbol) if market in self.markets else None


class PaperAccounts:
    """The accounts of one place."""

    key_kinds: Sequence[KeyKind] = ("hmac",)
    modes: Sequence[str] = ("",)
    fees_in_quote = False
    inverse_in_base = False

    def __init__(
        self, world: World, place: PaperExchange, exchange: Exchange, variant: str
    ) -> None:
        self._world, self._place, self._exchange, self._variant = world, place, exchange, variant
        # How often what was subscribed has ended: a new subscription hears what comes after.
        self._ended: Counter[str] = Counter()

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:  # noqa: ARG002 - as all exchanges
        """There is one."""
        return market

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """64 letters and digits."""
        return make_key(seed, account, kind)

    def order_id(self, order: Order) -> str:
        """As the service's database numbers them."""
        return f"{order.number:024x}"

    def client_id(self, order: Order) -> str:
        """Its own."""
        return order.client_id

    def trade_id(self, fill: Fill) -> str:
        """It has none: what there is to know a fill by is the total that its order has reached."""
        account = next(
            one
            for one in self._world.accounts
            if one.exchange == self._place.name and one.order(fill.listing.market, fill.order)
        )
        order = account.orders[fill.listing.market, fill.order]
        sizes = (
            self.size(one.listing, one.quantity)
            for one in account.fills(fill.listing.market)
            if one.order == fill.order and one.trade <= fill.trade
        )
        return f"{self.order_id(order)}-{sum(sizes, ZERO).normalize():f}"

    def status(self, status: Status) -> Status:
        """What is not taken was never an order, so it has no word for that."""
        return "CANCELED" if status == "REJECTED" else status

    def size(self, listing: Listing, size: Decimal) -> Decimal:
        """As the exchange counts it."""
        private = self._exchange.private
        assert private is not None
        return private.size(listing, size)

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """The balances that have changed, then the order."""
        said = []
        if fact.balances:
            rows = [
                {"asset": one.asset, "free": _number(one.free), "locked": _number(one.locked)}
                for one in fact.balances
            ]
            said.append(Push(self.feed(account, BALANCES).key, _update({"balance": rows})))
        if fact.order is not None:
            row = self._row(account, fact.order, fact.number)
            said.append(Push(self.feed(account, ORDER).key, _update(row)))
        return said

    def feeds(self, account: Account) -> Sequence[str]:
        """Both subscriptions."""
        return [self.feed(account, event).key for event in (ORDER, BALANCES)]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:  # noqa: ARG002 - as all
        """The subscriptions are forgotten, and nothing is said of it."""
        self._ended[account.name] += 1
        return ()

    def due(self) -> Sequence[Push]:
        """Nothing."""
        return ()

    # --- what the gateway asks --------------------------------------------------------------

    def feed(self, account: Account, event: str) -> Wanted:
        """What is heard of one kind of event from now on."""
        return Wanted(f"paper:{account.name}:{event}:{self._ended[account.name]}", SilentFeed)

    # --- rows -------------------------------------------------------------------------------

    def _row(self, account: Account, order: Order, until: int) -> dict[str, Any]:
        fills = [
            fact.fill
            for fact in account.log[:until]
            if fact.fill is not None
            and (fact.market, fact.fill.order) == (order.market, order.number)
        ]
        filled, asked = (self.size(order.listing, one) for one in (order.filled, order.quantity))
        # On inverse, too: what contracts are worth is no amount of any asset there.
        worth = sum((one.price * self.size(one.listing, one.quantity) for one in fills), ZERO)
        average = (worth / filled) if filled else ZERO
        price = order.price if order.price is not None else average
        return {
            "_id": self.order_id(order),
            "externalId": order.client_id,
            "symbol": self._symbol(order.listing),
            "exchange": self._variant,
            "status": self.status(order.status),
            "type": order.type,
            "side": order.side,
            "price": _number(price),
            "avgFilledPrice": _number(average),
            "amount": _number(asked),
            "filledAmount": _number(filled),
            "filledQuoteAmount": _number(worth),
            "quoteAmount": _number(asked * price),
            "fee": _number(sum((one.fee for one in fills), ZERO)),
            "createdAt": _iso(order.created_ms),
            "updatedAt": _iso(order.updated_ms),
            "reduceOnly": order.reduce_only,
            "positionSide": order.position_side,
        }

    def _symbol(self, listing: Listing) -> str:
        """As older backends spell it: bitcoin by its common name, a perpetual contract by its pair."""
        symbol = self._exchange.symbol(Listed(listing, 0))
        if listing.market == "spot" or listing.expiry_ms is not None:
            return symbol
        if self._exchange.name == "kucoin":
            return symbol.replace("XBT", "BTC", 1).removesuffix("M")
        return symbol.removesuffix("-SWAP")


def _update(data: object) -> str:
    return msgspec.json.encode({"type": "update", "data": data}).decode()


def _number(number: Decimal) -> int | float:
    """As the service has it: in binary, and written without more digits than it needs."""
    return int(number) if number == int(number) else float(number)


def _iso(time_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
