// The npm package `coinbase-api`, unmodified but for the address: prints candles and tickers.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS_HOME, "package.json"));
const { CBAdvancedTradeClient, WebsocketClient } = require("coinbase-api");

const gateway = process.argv[2];
const PRODUCT = "BTC-USDT";
const SOCKET = "advTradeMarketData";
const MINUTE_S = 60;

const say = (fields) => process.stdout.write(JSON.stringify({ ...fields, market: "spot" }) + "\n");

const client = new WebsocketClient({
  wsUrl: `${gateway.replace("http", "ws")}/advanced-trade-ws.coinbase.com`,
});
client.on("exception", (error) => say({ kind: "error", error: JSON.stringify(error) }));
client.on("update", ({ channel, timestamp, events }) => {
  for (const event of events) {
    for (const { start, open, high, low, close, volume } of event.candles ?? []) {
      say({ kind: "candle 5m", startMs: Number(start) * 1000, open, high, low, close, volume });
    }
    for (const row of event.tickers ?? []) {
      say({
        kind: "ticker",
        eventMs: Date.parse(timestamp),
        last: row.price,
        high: row.high_24_h,
        low: row.low_24_h,
        volume: row.volume_24_h,
        bid: row.best_bid,
        bidSize: row.best_bid_quantity,
        ask: row.best_ask,
        askSize: row.best_ask_quantity,
      });
    }
    // Newest first on the wire; told oldest first, so that whoever stops listening misses no id.
    for (const { trade_id, time, price, size } of [...(event.trades ?? [])].reverse()) {
      say({ kind: "trade", id: Number(trade_id), timeMs: Date.parse(time), price, size });
    }
    if (channel === "heartbeats") say({ kind: "heartbeat", eventMs: Date.parse(timestamp) });
  }
});
const payload = { product_ids: [PRODUCT] };
client.subscribe(
  [
    "heartbeats",
    { topic: "candles", payload },
    { topic: "market_trades", payload },
    { topic: "ticker", payload },
  ].map((topic) => (typeof topic === "string" ? { topic } : topic)),
  SOCKET,
);

const rest = new CBAdvancedTradeClient({ baseUrl: `${gateway}/api.coinbase.com` });
const { epochMillis } = await rest.getServerTime();
const end = Math.floor(Number(epochMillis) / 1000);
const { candles } = await rest.getPublicProductCandles({
  product_id: PRODUCT,
  start: String(end - 20 * MINUTE_S),
  end: String(end),
  granularity: "ONE_MINUTE",
});
for (const { start, open, high, low, close, volume } of candles) {
  const startMs = Number(start) * 1000;
  const closed = startMs + MINUTE_S * 1000 <= Number(epochMillis);
  say({ kind: "candle 1m", startMs, open, high, low, close, volume, closed });
}
