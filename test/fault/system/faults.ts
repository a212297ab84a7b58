import { readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Direction } from "../proxy.ts";
import { between, pick, type Random } from "../random.ts";
import type { System } from "./system.ts";

/** Tells when a fault begins and ends; more than once where it befalls one after the other. */
export interface FaultMarks {
  begin(target: string): void;
  end(): void;
  /** The log of a room, or of all, has lost something. */
  recreated(): void;
}

interface Fault {
  /** What it needs for itself: two faults that share any do not happen at once. One of each list is taken. */
  readonly needs: readonly (readonly string[])[];
  /** Whether it counts as a kill, a partition, or neither. */
  readonly sort: "kill" | "partition" | "other";
  /** `taken` is what of `needs` it was given. */
  run(system: System, random: Random, marks: FaultMarks, taken: readonly string[]): Promise<void>;
}

const NODES = ["node 1", "node 2", "node 3"];
const PROGRAMS = ["clients 1", "clients 2", "clients 3", "clients 4"];
/** Ways a partition can be: both, and each alone. */
const WAYS: readonly (readonly Direction[])[] = [["up", "down"], ["up", "down"], ["up"], ["down"]];
/** What Redis is given to buffer for clients that do not read: hardly anything. */
const TIGHT_BUFFERS = "pubsub 2048 0 0 normal 65536 0 0";
const USUAL_BUFFERS = "pubsub 33554432 8388608 60 normal 0 0 0";

const pause = (random: Random, fromMs: number, toMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, between(random, fromMs, toMs)));
const indexOf = (taken: readonly string[]): number => Number(taken[0]!.replace(/\D+/, "")) - 1;

/** Every kind of fault, by its name. */
export const FAULTS = {
  "node killed": {
    needs: [NODES],
    sort: "kill",
    async run(system, random, marks, taken) {
      const index = indexOf(taken);
      marks.begin(taken[0]!);
      await system.nodes[index]!.kill();
      await pause(random, 0, 500);
      await system.startNode(index);
      marks.end();
    },
  },
  /** What it has written is in Redis for certain, and nobody was told. */
  "node killed, replies swallowed": {
    needs: [NODES],
    sort: "kill",
    async run(system, random, marks, taken) {
      const index = indexOf(taken);
      const link = system.links[index]!;
      const before = link.swallowed;
      marks.begin(taken[0]!);
      link.swallow();
      for (let turn = 0; turn < 100 && link.swallowed === before; turn++) await pause(random, 5, 5);
      await pause(random, 0, 20);
      await system.nodes[index]!.kill();
      link.cut();
      await system.startNode(index);
      marks.end();
    },
  },
  "node stopped": {
    needs: [NODES],
    sort: "other",
    async run(system, random, marks, taken) {
      const node = system.nodes[indexOf(taken)]!;
      marks.begin(taken[0]!);
      node.signal("SIGSTOP");
      await pause(random, 1_000, 7_000);
      node.signal("SIGCONT");
      marks.end();
    },
  },
  "nodes restarted in turn": {
    needs: NODES.map((node) => [node]),
    sort: "other",
    async run(system, _random, marks, taken) {
      for (const [index, node] of taken.entries()) {
        marks.begin(node);
        await system.nodes[index]!.stop();
        await system.startNode(index);
        marks.end();
      }
    },
  },
  "clock moved": {
    needs: [NODES],
    sort: "other",
    async run(system, random, marks, taken) {
      const node = system.nodes[indexOf(taken)]!;
      marks.begin(taken[0]!);
      node.shiftClock(pick(random, [-3_600_000, -5_000, 5_000, 3_600_000]));
      await pause(random, 1_000, 4_000);
      node.shiftClock(0);
      marks.end();
    },
  },
  "node cut off from Redis": {
    needs: [NODES],
    sort: "partition",
    async run(system, random, marks, taken) {
      const link = system.links[indexOf(taken)]!;
      const ways = pick(random, WAYS);
      marks.begin(`${taken[0]}, ${ways.join(" and ")}`);
      link.hold(...ways);
      await pause(random, 500, 8_000);
      link.release();
      marks.end();
    },
  },
  "replies torn": {
    needs: [NODES],
    sort: "other",
    async run(system, _random, marks, taken) {
      marks.begin(taken[0]!);
      system.links[indexOf(taken)]!.tear();
      marks.end();
    },
  },
  "Redis killed": {
    needs: [["Redis"]],
    sort: "kill",
    async run(system, random, marks) {
      marks.begin("Redis");
      await system.redis.kill();
      await pause(random, 0, 500);
      await system.redis.start();
      marks.end();
    },
  },
  "Redis stopped": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, random, marks) {
      marks.begin("Redis");
      system.redis.signal("SIGSTOP");
      await pause(random, 500, 6_000);
      system.redis.signal("SIGCONT");
      marks.end();
    },
  },
  "subscriptions killed": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, _random, marks) {
      marks.begin("Redis");
      await system.redis.ask("client", "kill", "type", "pubsub");
      marks.end();
    },
  },
  "connections to Redis killed": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, _random, marks) {
      marks.begin("Redis");
      await system.redis.ask("client", "kill", "type", "normal");
      marks.end();
    },
  },
  "output buffers shrunk": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, random, marks) {
      marks.begin("Redis");
      await system.redis.ask("config", "set", "client-output-buffer-limit", TIGHT_BUFFERS);
      await pause(random, 1_000, 3_000);
      await system.redis.ask("config", "set", "client-output-buffer-limit", USUAL_BUFFERS);
      marks.end();
    },
  },
  "memory full": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, random, marks) {
      marks.begin("Redis");
      await system.redis.ask("config", "set", "maxmemory", "1mb");
      await pause(random, 500, 3_000);
      await system.redis.ask("config", "set", "maxmemory", "0");
      marks.end();
    },
  },
  /** With `appendfsync always` Redis ends when it cannot write; then it is started again. */
  "disk full": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, random, marks) {
      if (!system.disk.canBeFull) return;
      marks.begin("Redis");
      await system.disk.fill();
      await pause(random, 1_000, 3_000);
      await system.disk.empty();
      await system.redis.kill();
      await system.redis.start();
      marks.end();
    },
  },
  "nginx killed": {
    needs: [["nginx"]],
    sort: "kill",
    async run(system, random, marks) {
      marks.begin("nginx");
      await system.nginx.kill();
      await pause(random, 0, 500);
      await system.nginx.start();
      marks.end();
    },
  },
  "clients killed": {
    needs: [PROGRAMS],
    sort: "kill",
    async run(system, random, marks, taken) {
      const program = system.programs[indexOf(taken)]!;
      marks.begin(taken[0]!);
      await program.kill();
      await pause(random, 0, 500);
      program.start();
      marks.end();
    },
  },
  /** Their connections stay open, and nothing passes ever again: they have to find out. */
  "clients half-open": {
    needs: [["edge"]],
    sort: "other",
    async run(system, _random, marks) {
      marks.begin("clients 4");
      system.edge.freeze();
      marks.end();
    },
  },
  "clients cut off": {
    needs: [["edge"]],
    sort: "partition",
    async run(system, random, marks) {
      const ways = pick(random, WAYS);
      marks.begin(`clients 4, ${ways.join(" and ")}`);
      system.edge.hold(...ways);
      await pause(random, 500, 6_000);
      system.edge.release();
      marks.end();
    },
  },
  /** Everything Redis had is gone. */
  "log deleted": {
    needs: [["Redis"]],
    sort: "other",
    async run(system, _random, marks) {
      marks.begin("Redis");
      marks.recreated();
      await system.redis.ask("flushall");
      marks.end();
    },
  },
  /** Redis comes back without its newest writes, as after a power cut or with a replica that was behind. */
  "log cut": {
    needs: [["Redis"]],
    sort: "kill",
    async run(system, _random, marks) {
      marks.begin("Redis");
      marks.recreated();
      await system.redis.kill();
      const directory = join(system.redis.directory, "appendonlydir");
      const newest = (await readdir(directory))
        .filter((name) => name.endsWith(".incr.aof"))
        .sort()
        .at(-1)!;
      const { size } = await stat(join(directory, newest));
      await truncate(join(directory, newest), Math.max(0, size - 50_000));
      await system.redis.start();
      marks.end();
    },
  },
} as const satisfies Readonly<Record<string, Fault>>;

/** The name of a kind of fault. */
export type FaultKind = keyof typeof FAULTS;

/** A fault of a kind, as a table with types of its own would not give it. */
export function faultOf(kind: FaultKind): Fault {
  return FAULTS[kind];
}
