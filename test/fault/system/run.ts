import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { checkHistory } from "../../../src/testing/checker.ts";
import type { HeadRecord } from "../../../src/testing/history.ts";
import { bundleCommand } from "../server-process.ts";
import { Deliveries } from "./deliveries.ts";
import { headsOf, readMembers, readNode, readRedis } from "./final-state.ts";
import { HistoryFile, HistoryFiles } from "./history-file.ts";
import { Nemesis } from "./nemesis.ts";
import type { RunPlan } from "./plan.ts";
import { Recovery } from "./recovery.ts";
import { type Holding, System } from "./system.ts";
import type { RunVerdict } from "./verdict.ts";

const TURN_MS = 50;
const SAY_MS = 5_000;
const ERRORS_KEPT = 20;

/** Runs a plan: starts the system, loads it, does the faults, heals them, reads what is left, and judges. */
export async function runPlan(
  plan: RunPlan,
  directory: string,
  say: (line: string) => void = () => {},
  stop: AbortSignal = new AbortController().signal,
): Promise<RunVerdict> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const bundle = await bundleCommand();
  try {
    const system = await System.start(plan, bundle, directory);
    const run = new Run(plan, system, directory, say);
    try {
      await run.load(stop);
      await run.settle();
    } catch (error) {
      run.complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      await run.end();
      await system.stop();
    }
    const verdict = await run.judge();
    await writeFile(join(directory, "verdict.json"), `${JSON.stringify(verdict, null, 2)}\n`);
    return verdict;
  } finally {
    await bundle.remove();
  }
}

class Run {
  readonly #plan: RunPlan;
  readonly #system: System;
  readonly #nemesis: Nemesis;
  readonly #say: (line: string) => void;
  readonly #startedAt = performance.now();
  readonly #faultsPath: string;
  readonly #finalPath: string;
  readonly #faults: HistoryFile;
  readonly #final: HistoryFile;
  readonly #complaints: string[] = [];
  #printedBefore: readonly string[] = [];
  #lastHoldings: readonly Holding[] = [];
  #heads: readonly HeadRecord[] = [];
  #loadMs = 0;
  #settledMs = 0;
  #saidAt = 0;

  constructor(plan: RunPlan, system: System, directory: string, say: (line: string) => void) {
    this.#plan = plan;
    this.#system = system;
    this.#say = say;
    this.#faultsPath = join(directory, "faults.jsonl");
    this.#finalPath = join(directory, "final.jsonl");
    this.#faults = new HistoryFile(this.#faultsPath);
    this.#final = new HistoryFile(this.#finalPath);
    this.#nemesis = new Nemesis(system, plan, this.#faults);
  }

  /** Something is wrong with the run, or was not done. */
  complain(complaint: string): void {
    this.#complaints.push(complaint);
    this.#say(`COMPLAINT: ${complaint}`);
  }

  /** Sends until enough is acknowledged and all faults are done. */
  async load(stop: AbortSignal): Promise<void> {
    const { programs } = this.#system;
    const { acked, longestMs, stallMs } = this.#plan;
    const startedAt = performance.now();
    let [last, lastAt] = [0, startedAt];
    let isOver = false;
    for (const program of programs) program.start();
    const faults = this.#nemesis
      .run(() => isOver)
      .then(() => {
        isOver = true;
      });
    for (;;) {
      const now = performance.now();
      if (this.#system.acked > last) [last, lastAt] = [this.#system.acked, now];
      if (isOver && last >= acked) break;
      const ended = [...this.#system.ended(), ...this.#nemesis.failures];
      for (const { message } of ended) this.complain(message);
      if (now - lastAt > stallMs) this.complain(`Nothing was acknowledged for ${stallMs} ms.`);
      if (stop.aborted) this.complain("It was told to stop.");
      if (now - startedAt > longestMs) this.complain(`It was to take ${longestMs} ms at most.`);
      if (this.#complaints.length > 0) break;
      this.#progress(startedAt);
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
    isOver = true;
    await faults;
    this.#loadMs = performance.now() - startedAt;
  }

  /** Heals everything, waits until everybody has everything, and reads what is left. */
  async settle(): Promise<void> {
    const { programs, edge, nodes } = this.#system;
    edge.cut();
    for (const program of programs) program.quiet();
    const startedAt = performance.now();
    const { settleMs, reachMs } = this.#plan;
    await this.#wait("every message is answered", settleMs, () => programs.every(({ waiting }) => waiting === 0));
    const heads = await headsOf(this.#system);
    for (const program of programs) program.reach(heads);
    const describe = () => programs.flatMap(({ behind }) => behind).join("; ");
    await this.#wait(
      "everybody has everything",
      reachMs,
      () => programs.every(({ hasReached }) => hasReached),
      describe,
    );
    this.#settledMs = performance.now() - startedAt;
    this.#say(`settled after ${Math.round(this.#settledMs)} ms`);
    this.#heads = await readRedis(this.#system, this.#final);
    // Of the control only the log is read: it has no more.
    if (this.#plan.participants !== "yamabiko") return;
    for (const index of nodes.keys()) await readNode(this.#system, index, this.#final);
    const due = this.#membersDue();
    for (const index of nodes.keys()) await readMembers(this.#system, index, due, this.#final);
    this.#lastHoldings = await this.#system.holdings();
  }

  async end(): Promise<void> {
    await Promise.all(this.#system.programs.map((program) => program.close()));
    this.#faults.close();
    this.#final.close();
    this.#printedBefore = this.#system.nodes.map(({ printed }) => printed);
  }

  async judge(): Promise<RunVerdict> {
    this.#say("judging");
    const { programs } = this.#system;
    const recovery = new Recovery();
    const deliveries = new Deliveries();
    const chains = [...programs.map(({ historyPaths }) => historyPaths), [this.#faultsPath]];
    const verdict = checkHistory(
      deliveries.watch(recovery.watch(new HistoryFiles(chains))),
      new HistoryFiles([[this.#finalPath], [this.#faultsPath]]),
    );
    const { plan, seed, target } = { plan: this.#plan.name, seed: this.#plan.seed, target: this.#plan.acked };
    for (const printed of this.#printedBefore) {
      const bad = printed.match(/^.*(uncaught|unhandled|"level":(50|60)).*$/im)?.[0];
      if (bad !== undefined) this.complain(`A node printed: ${bad.slice(0, 500)}`);
    }
    const { acked, unknownInLog } = verdict.counts;
    if (acked < target) this.complain(`${acked} of ${target} messages were acknowledged.`);
    this.#say(`${acked} acknowledged, ${unknownInLog} unanswered and in the log`);
    return {
      plan,
      seed,
      ok: verdict.ok && this.#complaints.length === 0,
      complaints: this.#complaints,
      violations: verdict.violations,
      examples: verdict.examples,
      counts: verdict.counts,
      target,
      deliveries: deliveries.count(this.#heads),
      kills: this.#nemesis.count("kill"),
      partitions: this.#nemesis.count("partition"),
      otherFaults: this.#nemesis.count("other"),
      faults: this.#nemesis.done,
      recoveryMs: recovery.times(),
      settledMs: Math.round(this.#settledMs),
      loadSeconds: Math.round(this.#loadMs / 1_000),
      wholeSeconds: Math.round((performance.now() - this.#startedAt) / 1_000),
      holding: {
        rssBytes: Math.max(0, ...this.#lastHoldings.map(({ rssBytes }) => rssBytes)),
        files: Math.max(0, ...this.#lastHoldings.map(({ files }) => files)),
      },
      clientErrors: tally(programs.flatMap(({ errors }) => errors)),
      when: new Date().toISOString(),
      machine: `${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
      versions: await versions(),
    };
  }

  /** Who is to be in each room: nobody leaves. */
  #membersDue(): Map<string, string[]> {
    const due = new Map<string, string[]>();
    for (const { name, rooms } of this.#system.programs.flatMap(({ participants }) => participants)) {
      for (const roomId of rooms) due.set(roomId, [...(due.get(roomId) ?? []), name]);
    }
    return due;
  }

  async #wait(what: string, longestMs: number, isSo: () => boolean, describe = () => ""): Promise<void> {
    const end = performance.now() + longestMs;
    while (!isSo()) {
      if (performance.now() > end) {
        this.complain(`${what}: not after ${longestMs} ms. ${describe()}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
  }

  #progress(startedAt: number): void {
    const now = performance.now();
    if (now - this.#saidAt < SAY_MS) return;
    this.#saidAt = now;
    const seconds = (now - startedAt) / 1_000;
    const { acked } = this.#system;
    this.#say(
      `${seconds.toFixed(0)} s: ${acked} of ${this.#plan.acked} acknowledged (${Math.round(acked / seconds)}/s), ${this.#nemesis.count("kill")} kills, ${this.#nemesis.count("partition")} partitions, ${this.#nemesis.count("other")} other faults, ${this.#nemesis.active} now`,
    );
  }
}

function tally(errors: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const error of errors) {
    const words = error.replace(/^c\d+: /, "").replace(/\d+/g, "#");
    if (counts[words] !== undefined || Object.keys(counts).length < ERRORS_KEPT)
      counts[words] = (counts[words] ?? 0) + 1;
  }
  return counts;
}

async function versions(): Promise<Record<string, string>> {
  const ask = promisify(execFile);
  const redis = await ask(process.env.REDIS_SERVER_PATH ?? "redis-server", ["--version"]);
  const nginx = await ask(process.env.NGINX_PATH ?? "/usr/sbin/nginx", ["-v"]);
  return {
    node: process.version,
    redis: redis.stdout.match(/v=(\S+)/)?.[1] ?? "?",
    nginx: nginx.stderr.match(/nginx\/(\S+)/)?.[1] ?? "?",
  };
}
