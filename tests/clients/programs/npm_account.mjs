// What the npm packages' programs on accounts have in common: who they are for, and how they tell.

import { createRequire } from "node:module";
import { join } from "node:path";

export const require = createRequire(join(process.env.CLIENTS_HOME, "package.json"));
export const [gateway, key, secret, passphrase] = process.argv.slice(2);
export const socketAt = (path) => gateway.replace("http", "ws") + path;

const READ_EVERY_MS = 1000;

// A row as the client hands it on.
export function say(kind, market, row) {
  process.stdout.write(JSON.stringify({ kind, market, row }) + "\n");
}

export function sayAll(kind, market, rows) {
  for (const row of rows) say(kind, market, row);
}

export function sayErrors(client) {
  client.on("exception", (error) => say("error", "", JSON.stringify(error?.body ?? error?.msg ?? error)));
}

// Again and again, as what is read may be behind what is heard.
export async function reading(read) {
  for (;;) {
    await read();
    await new Promise((done) => setTimeout(done, READ_EVERY_MS));
  }
}
