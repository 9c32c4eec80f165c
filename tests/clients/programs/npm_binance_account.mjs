// The npm package `binance`, unmodified but for the address: prints what it hears, in its own words, and reads.

import { gateway, key, reading, require, say, sayAll, sayErrors, secret, socketAt } from "./npm_account.mjs";

const { CoinMClient, MainClient, USDMClient, WebsocketAPIClient, WebsocketClient } = require("binance");

const options = { api_key: key, api_secret: secret, beautify: true };
const at = (host) => ({ ...options, baseUrl: `${gateway}/${host}` });

function hear(client, market) {
  sayErrors(client);
  client.on("formattedUserDataMessage", (event) => {
    if (event.eventType === "executionReport") order(market, event);
    else if (event.eventType === "ORDER_TRADE_UPDATE") order(market, event.order);
    else if (event.eventType === "TRADE_LITE") say("fillLite", market, event);
    else if (event.eventType === "outboundAccountPosition") sayAll("balance", market, event.balances);
    else if (event.eventType === "ACCOUNT_UPDATE") {
      sayAll("balance", market, event.updateData.updatedBalances);
      sayAll("position", market, event.updateData.updatedPositions);
    }
  });
}

function order(market, row) {
  say("order", market, row);
  if (row.executionType === "TRADE") say("fill", market, row);
}

const api = new WebsocketAPIClient({
  ...options,
  attachEventListeners: false,
  wsUrl: socketAt("/ws-api.binance.com"),
});
hear(api.getWSClient(), "spot");
await api.subscribeUserDataStream("mainWSAPI");

function futures(market, stream, rest, subscribe) {
  const client = new WebsocketClient({ ...options, wsUrl: socketAt(`/${stream}`), restOptions: at(rest) });
  hear(client, market);
  return subscribe(client);
}
await futures("linear", "fstream.binance.com", "fapi.binance.com", (it) => it.subscribeUsdFuturesUserDataStream());
await futures("inverse", "dstream.binance.com", "dapi.binance.com", (it) => it.subscribeCoinFuturesUserDataStream());

const spot = new MainClient(at("api.binance.com"));
const linear = new USDMClient(at("fapi.binance.com"));
const inverse = new CoinMClient(at("dapi.binance.com"));
await reading(async () => {
  const symbol = "BTCUSDT";
  sayAll("orderRow", "spot", await spot.getAllOrders({ symbol }));
  sayAll("fillRow", "spot", await spot.getAccountTradeList({ symbol }));
  sayAll("balanceRow", "spot", (await spot.getAccountInformation()).balances);
  sayAll("balanceRow", "linear", await linear.getBalanceV3());
  sayAll("positionRow", "linear", await linear.getPositionsV3({ symbol }));
  sayAll("balanceRow", "inverse", await inverse.getBalance());
  sayAll("positionRow", "inverse", await inverse.getPositions({ pair: "BTCUSD" }));
  for (const [market, rest, asked] of [["linear", linear, { symbol }], ["inverse", inverse, { symbol: "BTCUSD_PERP" }]]) {
    sayAll("orderRow", market, await rest.getAllOrders(asked));
    sayAll("fillRow", market, await rest.getAccountTrades(asked));
  }
});
