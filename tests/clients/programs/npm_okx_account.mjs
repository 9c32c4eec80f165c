// The npm package `okx-api`, unmodified but for the address: prints what it hears and reads of an account.

import { gateway, key, passphrase, reading, require, say, sayAll, sayErrors, secret, socketAt } from "./npm_account.mjs";

const { RestClient, WebsocketClient } = require("okx-api");

const credentials = { apiKey: key, apiSecret: secret, apiPass: passphrase };
const SYMBOLS = { "BTC-USDT": "spot", "BTC-USDT-SWAP": "linear", "BTC-USD-SWAP": "inverse" };
const TYPES = { spot: "SPOT", linear: "SWAP", inverse: "SWAP" };
const WALLET = "trading";

const rest = new RestClient({ ...credentials, baseUrl: `${gateway}/openapi.okx.com` });
const [contract] = await rest.getInstruments({ instType: "SWAP", instId: "BTC-USDT-SWAP" });
say("contract", "linear", contract.ctVal);

const client = new WebsocketClient({ accounts: [credentials], wsUrl: socketAt("/ws.okx.com/ws/v5/private") });
sayErrors(client);
client.on("update", ({ arg, data }) => {
  for (const row of data) {
    if (arg.channel === "account") sayAll("balance", WALLET, row.details);
    else if (arg.channel === "positions") say("position", SYMBOLS[row.instId], row);
    else {
      say("order", SYMBOLS[row.instId], row);
      if (row.tradeId) say("fill", SYMBOLS[row.instId], row);
    }
  }
});
client.subscribe([
  { channel: "orders", instType: "ANY" },
  { channel: "account" },
  { channel: "positions", instType: "ANY" },
]);

await reading(async () => {
  for (const [instId, market] of Object.entries(SYMBOLS)) {
    const asked = { instType: TYPES[market], instId };
    sayAll("orderRow", market, [...(await rest.getOrderHistory(asked)), ...(await rest.getOrderList(asked))]);
    sayAll("fillRow", market, await rest.getFills(asked));
  }
  for (const row of await rest.getPositions()) say("positionRow", SYMBOLS[row.instId], row);
  const [account] = await rest.getBalance();
  sayAll("balanceRow", WALLET, account.details);
});
