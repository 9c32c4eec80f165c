// The npm package `binance`, unmodified but for the address: prints candles and tickers.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS_HOME, "package.json"));
const { WebsocketClient } = require("binance");

const gateway = process.argv[2].replace("http", "ws");
const PLACES = [
  ["spot", "stream.binance.com", "main", "btcusdt"],
  ["linear", "fstream.binance.com", "usdmMarket", "btcusdt"],
  ["inverse", "dstream.binance.com", "coinm", "btcusd_perp"],
];

const say = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");

for (const [market, host, wsKey, symbol] of PLACES) {
  const client = new WebsocketClient({ wsUrl: `${gateway}/${host}` });
  client.on("exception", (error) => say({ kind: "error", market, error: String(error?.msg ?? JSON.stringify(error)) }));
  client.on("message", (message) => {
    const event = message.data ?? message;
    if (event.e === "kline" && event.k.x) {
      const { t, o, h, l, c, v, q, n } = event.k;
      say({ kind: "candle", market, startMs: t, open: o, high: h, low: l, close: c, v, q, trades: n });
    } else if (event.e === "24hrTicker") {
      const { E, c, o, h, l, v, q } = event;
      say({ kind: "ticker", market, eventMs: E, last: c, open: o, high: h, low: l, v, q });
    }
  });
  client.subscribe([`${symbol}@kline_1m`, `${symbol}@ticker`], wsKey);
}
