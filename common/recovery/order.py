"""One order: what was told of it, what was said, and what a frame or a row adds to that. Pure."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.exchanges.told import FillTold, OrderTold, Totals
from common.model.account import TERMINAL, OrderStatus
from common.model.decimals import number, quotient, same, shortest, total
from common.recovery.totals import NOTHING, fill_between

# Symbol and order id: what tells the orders of an account apart.
OrderKey = tuple[str, str]

# So many that a price which follows from a sum of them has none that are only theirs.
COIN_DECIMALS = 30
# What describes an order, and is taken over from whoever tells it.
DESCRIBES = (
    "side",
    "order_type",
    "time_in_force",
    "client_order_id",
    "original_client_order_id",
    "price",
    "stop_price",
    "quantity",
    "contracts",
    "reduce_only",
    "position_side",
    "liquidation",
    "created_ms",
)


class Order(Struct):
    """What is known of one order, and how much of that was said.

    Attributes:
        about: the newest description; its status and totals are not looked at.
        described: whether it is one: of an order that only fills have told of, price and size are not
            known, and nothing goes out until they are.
        said: the status that was said last; None before the first.
        said_terms: price and quantity that were said last.
        filled: of the fills that were said: in contracts where it is counted so, else in the base asset.
        base, quote: the same in the base and the quote asset, as far as all fills tell it.
        coins: contracts by their price, summed, as far as all fills tell it: for contracts that are so much
            of the quote asset each, it is what the base asset is, but for that and for its rounding. Where
            contracts are not counted, what was paid by its price.
        trades: the ids of the fills that were said.
        waiting: fills that were told and not said.
        target: the most that a state has said is filled.
        totals: those that fills were made of, where none are told.
        end: the end that was told and not said.
        first_ms, last_ms: of the first and of the last word on it, by the exchange's time.
        owed_ms: since when fills are missing, or the state that they led to, by the exchange's time; 0
            while none are.
        missed_ms: since when it is not found where it should be, or only with the same status that nobody
            documents, by the exchange's time; 0 while it is.
        inferred: its end was concluded, not told.
    """

    about: OrderTold
    described: bool = False
    said: OrderStatus | None = None
    said_terms: tuple[str, str] = ("", "")
    filled: str = "0"
    base: str | None = "0"
    quote: str | None = "0"
    coins: str | None = None
    trades: set[str] = set()
    waiting: dict[str, FillTold] = {}
    target: str = "0"
    totals: Totals = NOTHING
    end: OrderTold | None = None
    owed_ms: int = 0
    first_ms: int = 0
    last_ms: int = 0
    missed_ms: int = 0
    inferred: bool = False

    @property
    def is_over(self) -> bool:
        """Whether its end was said."""
        return self.said in TERMINAL

    @property
    def key(self) -> OrderKey:
        """Which order of the account it is."""
        return key_of(self.about)

    @property
    def when(self) -> tuple[int, str]:
        """Orders are told of in this order."""
        return self.last_ms, self.about.order_id

    @property
    def reached(self) -> str:
        """What is filled with the fills that wait, counted as ``filled``."""
        return total((self.filled, *map(size_of, self.waiting.values())))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left of it to be filled."""
        about, filled = self.about, number(self.filled)
        asked = about.contracts if about.contracts is not UNSET else about.quantity
        if asked is not UNSET and filled and filled >= number(asked):
            return True
        end = self.end
        return end is not None and end.status == "FILLED" and filled >= number(self.target)

    @property
    def terms(self) -> tuple[str, str]:
        """Price and quantity as they are known; empty while they are not."""
        about = self.about
        price, asked = about.price, about.quantity if about.contracts is UNSET else about.contracts
        return (
            "" if price is UNSET else shortest(price),
            "" if asked is UNSET else shortest(asked),
        )

    @property
    def is_amended(self) -> bool:
        """Whether the terms that were said are others now; what was only not known yet was not amended."""
        pairs = zip(self.said_terms, self.terms, strict=True)
        return any(before and now and before != now for before, now in pairs)

    # --- what is told -------------------------------------------------------------------------

    def note(self, told: OrderTold | FillTold) -> None:
        """What a frame or a row says of it."""
        self.first_ms = min(self.first_ms or told.time_ms, told.time_ms)
        self.last_ms = max(self.last_ms, told.time_ms)
        if isinstance(told, OrderTold):
            if not (told.status == "UNKNOWN" and told.raw_status == self.about.raw_status):
                self.missed_ms = 0
            self._note_state(told)
        else:
            self.missed_ms = 0
            self._note_fill(told)

    def _note_state(self, told: OrderTold) -> None:
        self.described = True
        filled = told.filled_contracts if told.filled_contracts is not UNSET else told.filled
        if filled is not UNSET and number(filled) > number(self.target):
            self.target = filled
        made = fill_between(self.totals, told)
        if made is not None and told.totals is not UNSET:
            self.totals = told.totals
            self._note_fill(made)
        if told.status in TERMINAL and self.end is None and not self.is_over:
            self.end = told
        self._describe(told)

    def _describe(self, told: OrderTold) -> None:
        """The newest is what it is; what that does not tell stays as it was known."""
        newest, older = told, self.about
        if (told.time_ms, told.seq) < (self.about.time_ms, self.about.seq):
            newest, older = older, newest
        names = [*DESCRIBES, "filled_contracts"]
        if _agree_on_filled(newest, older):
            names += ["filled", "average_price"]
        kept = {name: getattr(older, name) for name in names if getattr(newest, name) is UNSET}
        self.about = msgspec.structs.replace(newest, **kept)

    def _note_fill(self, told: FillTold) -> None:
        if told.trade_id not in self.trades:
            self.waiting.setdefault(told.trade_id, told)

    # --- what is said -------------------------------------------------------------------------

    def count(self, fill: FillTold) -> None:
        """A fill that waited is said."""
        del self.waiting[fill.trade_id]
        self.trades.add(fill.trade_id)
        self.filled = total((self.filled, size_of(fill)))
        self.base = _sum(self.base, fill.quantity)
        self.quote = _sum(self.quote, fill.quote_quantity)
        self.coins = _sum(self.coins, _coins(fill))


def key_of(told: OrderTold | FillTold) -> OrderKey:
    """Which order of the account is told of."""
    return told.symbol, told.order_id


def begun(told: OrderTold | FillTold) -> Order:
    """An order of which this is the first that is told; it is still to be noted."""
    return Order(_about(told), trades=set(), waiting={}, coins="0")


def _about(told: OrderTold | FillTold) -> OrderTold:
    if isinstance(told, OrderTold):
        return told
    return OrderTold(
        symbol=told.symbol,
        order_id=told.order_id,
        status="NEW",
        raw_status="",
        time_ms=told.time_ms,
        side=told.side,
        client_order_id=told.client_order_id,
        position_side=told.position_side,
        liquidation=told.liquidation,
    )


def size_of(fill: FillTold) -> str:
    """What is added up: contracts where there are any, else the base asset."""
    for amount in (fill.contracts, fill.quantity):
        if amount is not UNSET:
            return amount
    return "0"


def _coins(fill: FillTold) -> str | UnsetType:
    paid = fill.quote_quantity if fill.contracts is UNSET else fill.contracts
    if paid is UNSET or not number(fill.price):
        return UNSET
    return quotient(paid, fill.price, COIN_DECIMALS)


def _agree_on_filled(newest: OrderTold, older: OrderTold) -> bool:
    """Whether an average of the one is of what the other says is filled; who says nothing agrees."""
    pairs = ((newest.filled_contracts, older.filled_contracts), (newest.filled, older.filled))
    return all(one is UNSET or (other is not UNSET and same(one, other)) for one, other in pairs)


def _sum(known: str | None, amount: str | UnsetType) -> str | None:
    """None where a part is not known."""
    return None if known is None or amount is UNSET else total((known, amount))
