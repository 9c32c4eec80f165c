"""The exchanges there are. Adding one is its folder and a line here, and one for its accounts."""

from __future__ import annotations

from collections.abc import Mapping

from common.exchanges.binance import BINANCE
from common.exchanges.binance.private import BINANCE_PRIVATE
from common.exchanges.bitget import BITGET
from common.exchanges.bitget.private import BITGET_PRIVATE
from common.exchanges.bybit import BYBIT
from common.exchanges.bybit.private import BYBIT_PRIVATE
from common.exchanges.coinbase import COINBASE
from common.exchanges.coinbase.private import COINBASE_PRIVATE
from common.exchanges.kucoin import KUCOIN
from common.exchanges.kucoin.private import KUCOIN_PRIVATE
from common.exchanges.okx import OKX
from common.exchanges.okx.private import OKX_PRIVATE
from common.exchanges.paper import paper
from common.exchanges.private import Private
from common.exchanges.protocol import Exchange
from common.model.streams import Market

EXCHANGES: Mapping[str, Exchange] = {
    exchange.name: exchange
    for exchange in (
        BINANCE,
        BITGET,
        BYBIT,
        COINBASE,
        KUCOIN,
        OKX,
    )
}

# Those whose accounts can be streamed.
PRIVATE: Mapping[str, Private] = {
    BINANCE.name: BINANCE_PRIVATE,
    BITGET.name: BITGET_PRIVATE,
    BYBIT.name: BYBIT_PRIVATE,
    COINBASE.name: COINBASE_PRIVATE,
    KUCOIN.name: KUCOIN_PRIVATE,
    OKX.name: OKX_PRIVATE,
}


def on_paper(url: str | None) -> Mapping[str, Private]:
    """Those that can be traded on paper, by the service at that address; None: there is none."""
    if url is None:
        return {}
    return {exchange.name: paper(exchange, url) for exchange in EXCHANGES.values()}


def by_seed_name(name: str) -> tuple[Exchange, Market] | None:
    """The exchange and market an older backend means by ``binanceUsdm`` or ``paperBinanceUsdm``.

    Paper trading follows the real exchange's prices, so its names lead to the same market.
    """
    if name.startswith("paper") and len(name) > len("paper"):
        name = name[5].lower() + name[6:]
    for exchange in EXCHANGES.values():
        for market, rules in exchange.markets.items():
            if rules.seed_name == name:
                return exchange, market
    return None
