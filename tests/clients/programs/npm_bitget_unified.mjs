// The npm package `bitget-api` on a unified account, unmodified but for the address: prints what it hears and reads.

import { gateway, key, passphrase, reading, require, say, sayAll, sayErrors, secret, socketAt } from "./npm_account.mjs";

const { RestClientV3, WebsocketClientV3 } = require("bitget-api");

const credentials = { apiKey: key, apiSecret: secret, apiPass: passphrase };
const MARKETS = { SPOT: "spot", "USDT-FUTURES": "linear", "COIN-FUTURES": "inverse" };
const KINDS = { order: "order", fill: "fill" };
const POSITIONS = { BTCUSDT: "linear", BTCUSD: "inverse" };
const WALLET = "unified";

const client = new WebsocketClientV3({ ...credentials, wsUrl: socketAt("/ws.bitget.com/v3/ws/private") });
sayErrors(client);
client.on("update", ({ arg, data }) => {
  for (const row of data) {
    if (arg.topic === "account") sayAll("balance", WALLET, row.coin);
    else if (arg.topic === "position") say("position", POSITIONS[row.symbol], row);
    else say(KINDS[arg.topic], MARKETS[row.category.toUpperCase()], row);
  }
});
const topics = ["order", "fill", "position", "account"];
client.subscribe(topics.map((topic) => ({ topic, payload: { instType: "UTA" } })), "v3Private");

const rest = new RestClientV3({ ...credentials, baseUrl: `${gateway}/api.bitget.com` });
await reading(async () => {
  for (const [category, market] of Object.entries(MARKETS)) {
    const asked = { category };
    for (const list of [await rest.getHistoryOrders(asked), await rest.getUnfilledOrders(asked)]) {
      sayAll("orderRow", market, list.data.list);
    }
    sayAll("fillRow", market, (await rest.getTradeFills(asked)).data.list ?? []);
    if (market !== "spot") sayAll("positionRow", market, (await rest.getCurrentPosition(asked)).data.list ?? []);
  }
  sayAll("balanceRow", WALLET, (await rest.getBalances()).data.assets);
});
