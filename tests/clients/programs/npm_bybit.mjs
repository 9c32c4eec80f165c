// The npm package `bybit-api`, unmodified but for the address: prints candles and tickers.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS_HOME, "package.json"));
const { WebsocketClient } = require("bybit-api");

const gateway = process.argv[2].replace("http", "ws");
const SYMBOLS = { spot: "BTCUSDT", linear: "BTCUSDT", inverse: "BTCUSD" };

const say = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");

for (const [market, symbol] of Object.entries(SYMBOLS)) {
  const client = new WebsocketClient({ wsUrl: `${gateway}/stream.bybit.com/v5/public/${market}` });
  let day = {};
  client.on("exception", (error) => say({ kind: "error", market, error: JSON.stringify(error) }));
  client.on("update", ({ topic, type, ts, data }) => {
    if (topic.startsWith("kline.")) {
      for (const { start, open, high, low, close, volume, turnover, confirm } of data) {
        const kind = confirm ? "candle" : "open";
        say({ kind, market, startMs: start, open, high, low, close, volume, turnover });
      }
    } else if (topic.startsWith("tickers.")) {
      // It hands on deltas as they come.
      day = type === "snapshot" ? data : { ...day, ...data };
      say({ kind: "ticker", market, eventMs: ts, ...day });
    } else {
      const [[bid, bidSize], [ask, askSize]] = [data.b[0], data.a[0]];
      say({ kind: "best", market, eventMs: ts, bid, bidSize, ask, askSize });
    }
  });
  const topics = [`kline.1.${symbol}`, `tickers.${symbol}`];
  client.subscribeV5(market === "spot" ? [...topics, `orderbook.1.${symbol}`] : topics, market);
}
