// Stock prices, here a random walk: node prices.mjs [feed:prices] [milliseconds]
import { randomUUID } from "node:crypto";
import { publish } from "../publish.mjs";

const [roomId = "feed:prices", everyMs = "500"] = process.argv.slice(2);
const prices = new Map([
  ["ECHO", 120],
  ["HILL", 48.5],
  ["PEAK", 310.25],
]);
/** What changed since the last publication; only the newest price of each matters. */
const changed = new Map();

setInterval(() => {
  for (const [symbol, before] of prices) {
    const price = Math.max(1, Math.round(before * (1 + (Math.random() - 0.5) / 100) * 100) / 100);
    prices.set(symbol, price);
    changed.set(symbol, { symbol, price, change: Math.round((price - before) * 100) / 100 });
  }
}, Number(everyMs));

for (;;) {
  const events = [...changed.values()].map((payload) => ({ type: "price", payload, messageId: randomUUID() }));
  changed.clear();
  // While the server is away, `changed` holds one price for each symbol, however long it takes.
  if (events.length > 0) await publish(roomId, events);
  await new Promise((resolve) => setTimeout(resolve, Number(everyMs)));
}
