import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devToken, RawClient, until } from "../harness.ts";
import { ask } from "../transports/http-request.ts";
import { type HopPlan, runHops } from "./hop-run.ts";
import { TRANSPORTS } from "./hopping-client.ts";
import { pick, seededRandom } from "./random.ts";
import { type Bundle, bundleCommand, findPort, ServerProcess } from "./server-process.ts";

const IS_FULL = process.env.TEST_FAULT === "full";
const TIMEOUT_MS = IS_FULL ? 1_800_000 : 240_000;
const SEED = Number(process.env.TEST_SEED ?? "20240917");

const PLAN: HopPlan = {
  seed: SEED,
  name: "worker test",
  workers: 2,
  clients: IS_FULL ? 40 : 8,
  rooms: IS_FULL ? 8 : 3,
  kills: IS_FULL ? 20 : 3,
  acked: IS_FULL ? 50_000 : 1_500,
  acksPerHop: IS_FULL ? 60 : 20,
  transports: (random) => [pick(random, TRANSPORTS)],
  chances: { lose: 0.01, swallow: 0.02, cut: 0.02, cutSocket: 0.02, swallowSocket: 0.03, delay: 0.05 },
  stallMs: 60_000,
};

describe("several workers", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  afterAll(() => bundle.remove());

  it(
    `RES-1, ACK-3, ACK-4: ${PLAN.clients} clients that hop between transports and workers lose nothing, repeat nothing and keep order while workers are killed`,
    async () => {
      const { verdict, sent, due, hops, errors, printed, isBlind } = await runHops(bundle.command, PLAN);
      expect(verdict.examples).toEqual([]);
      expect(verdict.violations).toEqual({});
      expect(verdict.counts).toMatchObject({ sent, acked: sent, refused: 0, losses: 0, delivered: due });
      expect(isBlind).toBe(false);
      expect(hops).toBeGreaterThan(PLAN.clients);
      expect(errors).toEqual([]);
      expect(printed).toContain("2 processes serve it");
      expect(printed).not.toMatch(/uncaught|unhandled|"level":(50|60)/i);
    },
    2 * TIMEOUT_MS,
  );

  it(
    "MEM-1, MEM-2, AUTH-1: are one server to whoever talks to it, and stay it when one is killed",
    async () => {
      const random = seededRandom(SEED);
      const port = await findPort(random);
      const server = await ServerProcess.start({ command: bundle.command, port, flags: ["--workers", "2"] });
      const clients: RawClient[] = [];
      try {
        // As many as it takes to have some on both: connections go to the workers in turn.
        for (let index = 0; index < 6; index++) {
          const client = await RawClient.open(server, `user-${index}`);
          clients.push(client);
          await client.join("lobby");
        }
        const nodes = new Set(
          clients.map(({ received }) => (received[0]!.payload as { connectionId: string }).connectionId.slice(0, 8)),
        );
        expect(nodes.size).toBe(2);
        const [first, ...others] = clients;
        const reader = await devToken(server.url, "reader");
        const members = async () => {
          const counts: number[] = [];
          // On connections of their own, so that both workers are asked.
          for (let time = 0; time < 4; time++) {
            const { body } = await ask(server.url, "/api/rooms/lobby/members", { token: reader });
            counts.push((body as { count: number }).count);
          }
          return counts;
        };
        expect(await members()).toEqual([6, 6, 6, 6]);
        await first!.ask("send_message", { roomId: "lobby", content: "to all" });
        for (const client of clients) expect(await client.next("new_message")).toMatchObject({ seq: 1 });
        first!.send("typing_start", { roomId: "lobby" });
        for (const client of others) {
          expect(await client.next("user_typing")).toMatchObject({ payload: { userId: "user-0", typing: true } });
        }
        const token = await devToken(server.url, "holder");
        const asked = await ask(server.url, "/api/tickets", { method: "POST", token });
        const { ticket } = asked.body as { ticket: string };
        const statuses: number[] = [];
        for (let use = 0; use < 4; use++) {
          statuses.push((await ask(server.url, `/api/rooms/lobby/members?ticket=${ticket}`)).status);
        }
        expect(statuses.filter((status) => status === 200)).toHaveLength(1);

        const before = server.workers();
        server.killWorker(random);
        const left = () => clients.filter(({ closeCode }) => closeCode === null);
        await until(() => left().length < 6, 10_000);
        await until(() => server.workers().length === 2, 10_000);
        expect(server.workers()).not.toEqual(before);
        // Those on the other one are still there; the others are members until their grace is over.
        await until(async () => (await members()).every((count) => count === left().length), 25_000);
        expect(left().length).toBeGreaterThan(0);
      } finally {
        for (const client of clients) client.socket.terminate();
        await server.stop();
        expect(server.printed).not.toMatch(/uncaught|unhandled/i);
        await server.remove().catch(() => {});
      }
    },
    TIMEOUT_MS,
  );
});
