// The npm package `bybit-api`, unmodified but for the address: prints what it hears and reads of an account.

import { gateway, key, reading, require, say, sayAll, sayErrors, secret, socketAt } from "./npm_account.mjs";

const { RestClientV5, WebsocketClient } = require("bybit-api");

const SYMBOLS = { spot: "BTCUSDT", linear: "BTCUSDT", inverse: "BTCUSD" };
const KINDS = { order: "order", execution: "fill", position: "position" };
const WALLET = "unified";

const client = new WebsocketClient({ key, secret, wsUrl: socketAt("/stream.bybit.com/v5/private") });
sayErrors(client);
client.on("update", ({ topic, data }) => {
  for (const row of data) {
    if (topic === "wallet") sayAll("balance", WALLET, row.coin);
    else say(KINDS[topic], row.category, row);
  }
});
client.subscribeV5(["order", "execution", "position", "wallet"], "linear");

const rest = new RestClientV5({ key, secret, baseUrl: `${gateway}/api.bybit.com`, throwExceptions: true });
await reading(async () => {
  for (const [category, symbol] of Object.entries(SYMBOLS)) {
    const asked = { category, symbol };
    for (const list of [await rest.getHistoricOrders(asked), await rest.getActiveOrders(asked)]) {
      sayAll("orderRow", category, list.result.list);
    }
    sayAll("fillRow", category, (await rest.getExecutionList(asked)).result.list);
    if (category !== "spot") sayAll("positionRow", category, (await rest.getPositionInfo(asked)).result.list);
  }
  const { result } = await rest.getWalletBalance({ accountType: "UNIFIED" });
  sayAll("balanceRow", WALLET, result.list[0].coin);
});
