import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonClientCodec } from "../../src/client/codec.ts";
import { msgpack } from "../../src/client/msgpack.ts";
import type { TransportName } from "../../src/client/node.ts";
import { checkHistory, type Verdict } from "../../src/testing/checker.ts";
import { formatHistory } from "../../src/testing/history.ts";
import { until } from "../harness.ts";
import { type HopTarget, NodesBehindNginx, OneServer } from "./hop-target.ts";
import { HoppingClient } from "./hopping-client.ts";
import { type LossyChances, type LossyCounts, LossyProxy } from "./lossy-proxy.ts";
import { between, pick, type Random, seededRandom } from "./random.ts";
import { History, readLog } from "./recorded-client.ts";

const IN_FLIGHT = 20;
/** A kill comes at most this long after the acknowledgement it waits for, ms. */
const LONGEST_WAIT_MS = 200;

/** What happens in a run. */
export interface HopPlan {
  readonly name: string;
  readonly seed: number;
  readonly clients: number;
  readonly rooms: number;
  /** How often the server is killed; with workers or nodes, one of them each time. */
  readonly kills: number;
  /** How many processes serve. Default: one. */
  readonly workers?: number;
  /** Nodes on one Redis behind nginx instead of one server, each request at any of them. */
  readonly nodes?: number;
  /** Messages at least. */
  readonly acked: number;
  /** A client hops after so many of its acks, or up to twice as many; never without. */
  readonly acksPerHop?: number;
  /** The transports a client may use until its next hop; undefined for all it knows. */
  transports(random: Random): readonly TransportName[] | undefined;
  readonly chances: LossyChances;
  /** Changes the network after so many acks of all clients, and at the end. */
  readonly weather?: { readonly acks: number; change(proxy: LossyProxy, random: Random, isOver: boolean): void };
  /** So long without any acknowledgement, and something is stuck. */
  readonly stallMs: number;
}

/** What came of it. */
export interface HopOutcome {
  readonly verdict: Verdict;
  readonly sent: number;
  /** Deliveries that are due to all members of all rooms. */
  readonly due: number;
  readonly hops: number;
  readonly proxy: LossyCounts;
  readonly transports: ReadonlySet<TransportName>;
  /** What clients reported as wrong. */
  readonly errors: readonly string[];
  /** What the server printed. */
  readonly printed: string;
  /** How many servers answered requests. */
  readonly serversAsked: number;
  /** Whether the same history with one delivery less is accepted. */
  readonly isBlind: boolean;
}

/** From a kill to the first acknowledgement after it, and how much of that the start of the server took. */
interface Outage {
  readonly startMs: number;
  readonly totalMs: number;
}

/** Lets clients send, hop and read over a bad network to a server that is killed, and judges what they saw. */
export async function runHops(command: string, plan: HopPlan): Promise<HopOutcome> {
  const { nodes, seed, workers } = plan;
  const target =
    nodes === undefined
      ? await OneServer.start(command, seed, workers)
      : await NodesBehindNginx.start(command, seed, nodes);
  const run = new HopRun(target, plan);
  try {
    return await run.run();
  } finally {
    await run.end();
    await target.end();
  }
}

class HopRun {
  readonly #target: HopTarget;
  readonly #plan: HopPlan;
  readonly #random: Random;
  readonly #history = new History();
  readonly #clients: HoppingClient[] = [];
  readonly #rooms: readonly string[];
  /** By client, when it hops next. */
  readonly #hopAt = new Map<HoppingClient, number>();
  #proxy: LossyProxy | null = null;
  #sent = 0;
  #acked = 0;
  #isKilling = true;
  #isSending = false;

  constructor(target: HopTarget, plan: HopPlan) {
    this.#target = target;
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    this.#rooms = Array.from({ length: plan.rooms }, (_, index) => `chat:room-${index}`);
  }

  async run(): Promise<HopOutcome> {
    const { acked, chances, seed, weather } = this.#plan;
    const startedAt = performance.now();
    const targetPort = Number(new URL(this.#target.url).port);
    const proxy = await LossyProxy.start({ targetPort, random: seededRandom(seed + 1), delayMs: 40 });
    this.#proxy = proxy;
    await this.#connect(proxy.url);
    proxy.chances = chances;
    this.#isSending = true;
    for (const client of this.#clients) this.#goOn(client);
    const outages = await this.#kill();
    this.#isKilling = false;
    await this.#until(() => this.#acked === this.#sent && this.#sent >= acked);
    proxy.heal();
    weather?.change(proxy, this.#random, true);
    const due = await this.#arrive();
    for (const client of this.#clients) client.close();
    const serversAsked = await this.#target.serversAsked();
    await this.#target.readStored(this.#history, this.#rooms);
    const verdict = checkHistory(this.#history.records);
    const hops = this.#clients.reduce((sum, client) => sum + client.hops, 0);
    await this.#report(verdict, hops, outages, performance.now() - startedAt);
    const last = this.#history.records.findLastIndex(({ kind }) => kind === "delivered");
    return {
      verdict,
      sent: this.#sent,
      due,
      hops,
      proxy: proxy.counts,
      transports: new Set(this.#clients.flatMap(({ welcomed }) => [...welcomed])),
      errors: this.#clients.flatMap(({ errors }) => errors),
      printed: this.#target.printed,
      serversAsked,
      isBlind: checkHistory(this.#history.records.toSpliced(last, 1)).ok,
    };
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#proxy?.close();
  }

  #roomsOf(index: number): readonly string[] {
    const rooms = this.#rooms;
    return [rooms[index % rooms.length]!, rooms[(index + 1) % rooms.length]!];
  }

  async #connect(url: string): Promise<void> {
    const { clients, transports } = this.#plan;
    for (let index = 0; index < clients; index++) {
      const name = `client-${index}`;
      const client = new HoppingClient(this.#history, transports(this.#random), {
        name,
        url,
        token: await this.#target.token(name),
        codec: index % 2 === 0 ? jsonClientCodec : msgpack(),
        roomIds: this.#roomsOf(index),
        onAcked: () => this.#count(),
        onReady: (ready) => this.#goOn(ready),
      });
      this.#clients.push(client);
      this.#planHop(client);
    }
    await Promise.all(this.#clients.map((client) => client.joined()));
  }

  #planHop(client: HoppingClient): void {
    const { acksPerHop = Number.POSITIVE_INFINITY } = this.#plan;
    const acks =
      acksPerHop === Number.POSITIVE_INFINITY ? acksPerHop : between(this.#random, acksPerHop, 2 * acksPerHop);
    this.#hopAt.set(client, client.acked + acks);
  }

  #count(): void {
    this.#acked++;
    const { weather } = this.#plan;
    if (weather !== undefined && this.#acked % weather.acks === 0) weather.change(this.#proxy!, this.#random, false);
  }

  /** Hops when it is time, else sends what may be under way. */
  #goOn(client: HoppingClient): void {
    if (!this.#isSending || !client.isReady) return;
    const index = this.#clients.indexOf(client);
    const random = this.#random;
    if (client.acked >= this.#hopAt.get(client)!) {
      this.#planHop(client);
      void client.hop(this.#plan.transports(random));
      return;
    }
    // No kill without sends under way, however fast the machine is.
    while (client.sent - client.acked < IN_FLIGHT && (this.#sent < this.#plan.acked || this.#isKilling)) {
      const content = `${client.name} ${++this.#sent} ${"·".repeat(between(random, 0, 200))}`;
      client.send(pick(random, this.#roomsOf(index)), content);
    }
  }

  /** Kills and restarts the server while the count of acknowledgements rises. */
  async #kill(): Promise<Outage[]> {
    const { kills, acked } = this.#plan;
    const outages: Outage[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const due = Math.floor(((kill + this.#random()) * acked) / kills);
      await this.#until(() => this.#acked >= due);
      await new Promise((resolve) => setTimeout(resolve, between(this.#random, 0, LONGEST_WAIT_MS)));
      if (this.#target.failure !== null) throw this.#target.failure;
      const [before, killedAt] = [this.#acked, performance.now()];
      await this.#target.kill(this.#random);
      const startMs = performance.now() - killedAt;
      await this.#until(() => this.#acked > before);
      outages.push({ startMs, totalMs: performance.now() - killedAt });
    }
    return outages;
  }

  /** Waits until every member of every room has everything. Gives how much that is. */
  async #arrive(): Promise<number> {
    let due = 0;
    for (const roomId of this.#rooms) {
      const token = await this.#target.token("auditor");
      let head = 0;
      for (const [index, url] of this.#target.wsUrls.entries()) {
        head = (await readLog(this.#history, `a reader of server ${index}`, url, { token }, roomId)).head;
      }
      const members = this.#clients.filter((_, index) => this.#roomsOf(index).includes(roomId));
      for (const client of members) await client.reached(roomId, head, 60_000);
      due += head * members.length;
    }
    return due;
  }

  /** Waits, for as long as something is acknowledged now and then. */
  async #until(holds: () => boolean): Promise<void> {
    let [acked, since] = [this.#acked, performance.now()];
    const isOver = (): boolean => {
      if (acked !== this.#acked) [acked, since] = [this.#acked, performance.now()];
      return holds() || this.#target.failure !== null || performance.now() - since > this.#plan.stallMs;
    };
    await until(isOver, Number.POSITIVE_INFINITY);
    if (this.#target.failure !== null) throw this.#target.failure;
    if (holds()) return;
    const waiting = this.#clients.filter((client) => client.acked < client.sent).map((client) => client.describe());
    throw new Error(
      `Nothing was acknowledged for ${this.#plan.stallMs} ms: ${holds.toString()}\n${waiting.join("\n")}`,
    );
  }

  async #report({ counts, violations, ok }: Verdict, hops: number, outages: Outage[], tookMs: number): Promise<void> {
    const { name, seed, kills } = this.#plan;
    const { acked, duplicates, delivered, joins } = counts;
    const slowest = outages.reduce((longest, outage) => (outage.totalMs > longest.totalMs ? outage : longest));
    console.info(
      `${name}: seed ${seed}, ${kills} kills, ${hops} hops, ${acked} acked, ${duplicates} duplicates, ${delivered} delivered, ${joins} joins, longest outage ${Math.round(slowest.totalMs)} ms (${Math.round(slowest.startMs)} ms of it to start), ${Math.round(tookMs / 100) / 10} s, the proxy ${JSON.stringify(this.#proxy?.counts)}, violations ${JSON.stringify(violations)}`,
    );
    if (ok) return;
    const file = join(await mkdtemp(join(tmpdir(), "yamabiko-history-")), "history.jsonl");
    await writeFile(file, formatHistory(this.#history.records));
    console.error(`the history is in ${file}`);
  }
}
