// The npm package `coinbase-api`, unmodified but for the address: prints what it hears and reads of an account.

import { request } from "node:http";

import { gateway, key, reading, require, sayAll, sayErrors, secret, socketAt } from "./npm_account.mjs";

const { CBAdvancedTradeClient, WebsocketClient } = require("coinbase-api");

const credentials = { apiKey: key, apiSecret: secret };
const MARKET = "spot";
const SOCKET = "advTradeUserData";

const client = new WebsocketClient({ ...credentials, wsUrl: socketAt("/advanced-trade-ws-user.coinbase.com") });
sayErrors(client);
client.on("update", ({ channel, events }) => {
  if (channel === "user") for (const { orders } of events) sayAll("order", MARKET, orders);
});
client.subscribe([{ topic: "user" }, { topic: "heartbeats" }], SOCKET);

// Its token says which host a request is for: it is made for the true one, and leaves for ours.
const { hostname, port } = new URL(gateway);
const transport = {
  request: (to, hear) =>
    request({ ...to, protocol: "http:", hostname, port, path: `/${to.hostname}${to.path}` }, hear),
};
const rest = new CBAdvancedTradeClient(credentials, { transport });
await reading(async () => {
  sayAll("orderRow", MARKET, (await rest.getOrders()).orders);
  sayAll("fillRow", MARKET, (await rest.getFills()).fills);
  sayAll("balanceRow", MARKET, (await rest.getAccounts()).accounts);
});
