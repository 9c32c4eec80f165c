// The npm package `bitget-api` on a classic account, unmodified but for the address: prints what it hears and reads.

import { gateway, key, passphrase, reading, require, say, sayAll, sayErrors, secret, socketAt } from "./npm_account.mjs";

const { RestClientV2, WebsocketClientV2 } = require("bitget-api");

const credentials = { apiKey: key, apiSecret: secret, apiPass: passphrase };
const MARKETS = { SPOT: "spot", "USDT-FUTURES": "linear", "COIN-FUTURES": "inverse" };
const KINDS = { orders: "order", fill: "fill", account: "balance", positions: "position" };

const client = new WebsocketClientV2({ ...credentials, wsUrl: socketAt("/ws.bitget.com/v2/ws/private") });
sayErrors(client);
client.on("update", ({ arg, data }) => sayAll(KINDS[arg.channel], MARKETS[arg.instType], data));
for (const instType of Object.keys(MARKETS)) {
  for (const channel of Object.keys(KINDS)) {
    if (instType !== "SPOT" || channel !== "positions") client.subscribeTopic(instType, channel);
  }
}

const rest = new RestClientV2({ ...credentials, baseUrl: `${gateway}/api.bitget.com` });
const SYMBOL = { symbol: "BTCUSDT" };
await reading(async () => {
  for (const list of [await rest.getSpotHistoricOrders(SYMBOL), await rest.getSpotOpenOrders(SYMBOL)]) {
    sayAll("orderRow", "spot", list.data);
  }
  sayAll("fillRow", "spot", (await rest.getSpotFills(SYMBOL)).data);
  sayAll("balanceRow", "spot", (await rest.getSpotAccountAssets()).data);
  for (const [productType, market] of Object.entries(MARKETS).slice(1)) {
    const asked = { productType };
    for (const list of [await rest.getFuturesHistoricOrders(asked), await rest.getFuturesOpenOrders(asked)]) {
      sayAll("orderRow", market, list.data.entrustedList ?? []);
    }
    sayAll("fillRow", market, (await rest.getFuturesFills(asked)).data.fillList ?? []);
    sayAll("balanceRow", market, (await rest.getFuturesAccountAssets(asked)).data);
    sayAll("positionRow", market, (await rest.getFuturesPositions(asked)).data);
  }
});
