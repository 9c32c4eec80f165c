// The npm package `bitget-api`, unmodified but for the address: prints candles and tickers.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS_HOME, "package.json"));
const { RestClientV2, WebsocketClientV2 } = require("bitget-api");

const gateway = process.argv[2];
const MARKETS = { SPOT: "spot", "USDT-FUTURES": "linear", "COIN-FUTURES": "inverse" };
const SYMBOLS = { spot: "BTCUSDT", linear: "BTCUSDT", inverse: "BTCUSD" };

const say = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");

// A row of 8: on COIN-FUTURES the volume in quote comes before the one in base.
const candle = (kind, market, [startMs, open, high, low, close, first, second]) =>
  say({ kind, market, startMs: Number(startMs), open, high, low, close, first, second });

const wsUrl = `${gateway.replace("http", "ws")}/ws.bitget.com/v2/ws/public`;
const client = new WebsocketClientV2({ wsUrl });
const running = {};

client.on("exception", (error) => say({ kind: "error", error: String(error?.msg ?? JSON.stringify(error)) }));
client.on("update", ({ arg, data }) => {
  const market = MARKETS[arg.instType];
  if (arg.channel === "candle1m") {
    // A bar is closed once a later one has come.
    for (const row of data.slice(-4)) {
      if (running[market] && running[market][0] !== row[0]) candle("candle", market, running[market]);
      running[market] = row;
      candle("open", market, row);
    }
  } else {
    for (const { ts, lastPr, open24h, high24h, low24h, baseVolume, quoteVolume, bidPr, bidSz, askPr, askSz } of data) {
      say({
        kind: "ticker", market, eventMs: Number(ts), last: lastPr, open: open24h, high: high24h, low: low24h,
        volume: baseVolume, quoteVolume, bid: bidPr, bidSize: bidSz, ask: askPr, askSize: askSz,
      });
    }
  }
});

for (const [instType, market] of Object.entries(MARKETS)) {
  for (const channel of ["candle1m", "ticker"]) client.subscribeTopic(instType, channel, SYMBOLS[market]);
}

// The rows of the history endpoint, which is the one the fleet reads.
const rest = new RestClientV2({ baseUrl: `${gateway}/api.bitget.com` });
const { data: { serverTime } } = await rest.getServerTime();
const endTime = String(Math.floor(Number(serverTime) / 300_000) * 300_000);
const spot = await rest.getSpotHistoricCandles({ symbol: "BTCUSDT", granularity: "5min", endTime, limit: "20" });
for (const row of spot.data) candle("history", "spot", row);
for (const [productType, market] of Object.entries(MARKETS).slice(1)) {
  const answer = await rest.getFuturesHistoricCandles({
    productType, symbol: SYMBOLS[market], granularity: "5m", endTime, limit: "20",
  });
  for (const row of answer.data) candle("history", market, row);
}
