// The npm package `okx-api`, unmodified but for the address: prints candles and tickers.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS_HOME, "package.json"));
const { WebsocketClient, RestClient } = require("okx-api");

const gateway = process.argv[2];
const SYMBOLS = { "BTC-USDT": "spot", "BTC-USDT-SWAP": "linear", "BTC-USD-SWAP": "inverse" };

const say = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");

function listen(endpoint, channel, hear) {
  // Its own addresses still have the port that was retired on 2026-10-31.
  const wsUrl = `${gateway.replace("http", "ws")}/ws.okx.com/ws/v5/${endpoint}`;
  const client = new WebsocketClient({ wsUrl });
  client.on("exception", (error) => say({ kind: "error", market: "spot", error: String(error?.msg ?? error) }));
  client.on("response", (answer) => say({ kind: "answer", eventMs: Date.now(), event: answer.event }));
  client.on("update", ({ arg, data }) => {
    for (const row of data) hear(SYMBOLS[arg.instId], row);
  });
  client.subscribe(Object.keys(SYMBOLS).map((instId) => ({ channel, instId })));
}

listen("business", "candle1m", (market, row) => {
  const [ts, open, high, low, close, vol, volCcy, volCcyQuote, confirm] = row;
  const kind = confirm === "1" ? "candle" : "running";
  say({ kind, market, startMs: Number(ts), open, high, low, close, vol, volCcy, volCcyQuote });
});

listen("public", "tickers", (market, row) => say({ kind: "ticker", market, ...row, eventMs: Number(row.ts) }));

const rest = new RestClient({ baseUrl: `${gateway}/openapi.okx.com` });
for (const instType of ["SPOT", "SWAP", "FUTURES"]) {
  const listed = await rest.getInstruments({ instType });
  say({ kind: "instruments", market: instType, names: listed.map(({ instId }) => instId) });
}
