import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HopOutcome, type HopPlan, runHops } from "./hop-run.ts";
import { TRANSPORTS } from "./hopping-client.ts";
import type { LossyChances } from "./lossy-proxy.ts";
import { pick } from "./random.ts";
import { type Bundle, bundleCommand } from "./server-process.ts";

const IS_FULL = process.env.TEST_FAULT === "full";
const TIMEOUT_MS = IS_FULL ? 1_800_000 : 240_000;
const CHANCES: LossyChances = {
  lose: 0.02,
  swallow: 0.05,
  cut: 0.04,
  cutSocket: 0.04,
  swallowSocket: 0.06,
  delay: 0.1,
};
const COMMON = {
  seed: Number(process.env.TEST_SEED ?? "20240917"),
  chances: CHANCES,
  stallMs: 60_000,
};

const HOPS: HopPlan = {
  ...COMMON,
  name: "hop test",
  clients: IS_FULL ? 40 : 12,
  rooms: IS_FULL ? 8 : 4,
  kills: IS_FULL ? 10 : 2,
  acked: IS_FULL ? 50_000 : 3_000,
  acksPerHop: IS_FULL ? 60 : 20,
  transports: (random) => [pick(random, TRANSPORTS)],
};

const NODES: HopPlan = {
  ...COMMON,
  name: "node test",
  nodes: 3,
  clients: IS_FULL ? 40 : 6,
  rooms: IS_FULL ? 8 : 3,
  kills: IS_FULL ? 20 : 1,
  acked: IS_FULL ? 50_000 : 900,
  acksPerHop: IS_FULL ? 60 : 12,
  transports: (random) => [pick(random, TRANSPORTS)],
};

const WEATHER: HopPlan = {
  ...COMMON,
  name: "weather test",
  clients: IS_FULL ? 16 : 6,
  rooms: IS_FULL ? 4 : 3,
  kills: IS_FULL ? 5 : 1,
  acked: IS_FULL ? 10_000 : 1_500,
  transports: () => undefined,
  weather: {
    acks: IS_FULL ? 250 : 150,
    change(proxy, random, isOver) {
      // One that hangs costs seconds of waiting each time.
      proxy.upgrades = isOver ? "pass" : pick(random, IS_FULL ? ["pass", "refuse", "hang"] : ["pass", "refuse"]);
      proxy.holdsStreams = !isOver && IS_FULL && random() < 0.2;
      if (!isOver) proxy.cutAll();
    },
  },
};

/** Nothing was lost, repeated or reordered, and what is to be survived has happened. */
function judge({ verdict, sent, due, proxy, errors, printed, isBlind }: HopOutcome, { acked }: HopPlan): void {
  expect(verdict.examples).toEqual([]);
  expect(verdict.violations).toEqual({});
  expect(verdict.counts).toMatchObject({ sent, acked: sent, refused: 0, losses: 0, delivered: due });
  expect(isBlind).toBe(false);
  expect(sent).toBeGreaterThanOrEqual(acked);
  expect(verdict.counts.duplicates).toBeGreaterThan(0);
  const { lost, swallowed, cut, socketsCut, socketsSwallowed } = proxy;
  expect(lost + swallowed + cut + socketsCut + socketsSwallowed).toBeGreaterThan(5);
  expect(errors).toEqual([]);
  expect(printed).not.toMatch(/uncaught|unhandled|"level":(50|60)/i);
}

describe("over a bad network, to a server that is killed", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  afterAll(() => bundle.remove());

  it(
    `RES-1, ACK-3, ACK-4, HTTP-13: ${HOPS.clients} clients that change their transport lose nothing, repeat nothing and keep order: ${HOPS.kills} kills, ${HOPS.acked} messages`,
    async () => {
      const outcome = await runHops(bundle.command, HOPS);
      judge(outcome, HOPS);
      expect(outcome.hops).toBeGreaterThan(HOPS.clients);
      const { lost, swallowed, cut, socketsCut, socketsSwallowed, delayed } = outcome.proxy;
      for (const count of [lost, swallowed, cut, socketsCut + socketsSwallowed, delayed]) {
        expect(count).toBeGreaterThan(0);
      }
      expect(outcome.transports).toEqual(new Set(TRANSPORTS));
    },
    TIMEOUT_MS,
  );

  it(
    `RES-1, ACK-3, ACK-4, HTTP-13: ${NODES.clients} clients that change their transport, each request of theirs at any of ${NODES.nodes} nodes, lose nothing, repeat nothing and keep order: ${NODES.kills} kills, ${NODES.acked} messages`,
    async () => {
      const outcome = await runHops(bundle.command, NODES);
      judge(outcome, NODES);
      expect(outcome.hops).toBeGreaterThan(NODES.clients);
      expect(outcome.transports).toEqual(new Set(TRANSPORTS));
      expect(outcome.serversAsked).toBe(NODES.nodes);
    },
    TIMEOUT_MS,
  );

  it(
    `RES-1, ACK-3, ACK-4, HTTP-13: ${WEATHER.clients} clients whose way is barred and opened again lose nothing, repeat nothing and keep order: ${WEATHER.kills} kills, ${WEATHER.acked} messages`,
    async () => {
      const outcome = await runHops(bundle.command, WEATHER);
      judge(outcome, WEATHER);
      expect(outcome.proxy.upgradesRefused).toBeGreaterThan(0);
      expect([...outcome.transports]).toEqual(expect.arrayContaining(["websocket", "sse"]));
    },
    TIMEOUT_MS,
  );
});
