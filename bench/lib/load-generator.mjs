import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { start } from "./machine.mjs";
import { makePlan } from "./plan.mjs";
import { rejectAfter } from "./server-process.mjs";

/** How long connecting all readers may take, and one command beyond its own time, ms. */
const CONNECT_MS = 30_000;
const COMMAND_MS = 20_000;
/** The core of the load generator. */
const CORE = 1;

const load = (name) => fileURLToPath(new URL(`../load/${name}`, import.meta.url));

/**
 * One window, as the load generator saw it. Times are in seconds unless the name says ms.
 *
 * @typedef {object} Window
 * @property {number} seconds
 * @property {number} published messages published in the window
 * @property {number} expected deliveries owed for them
 * @property {number} delivered deliveries made of them, also after the window
 * @property {number} deliveriesInWindow deliveries during the window, whatever was published when
 * @property {number} bytes
 * @property {number} reads
 * @property {number} missing numbers skipped by a reader
 * @property {number} repeated numbers that came again, or too late
 * @property {number} corrupt messages with another payload than the one published
 * @property {number} acksSinceStart
 * @property {number} publishedSinceStart
 * @property {boolean} isDrained whether everything arrived within the time allowed after the window
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} serverCpuS
 * @property {number} generatorCpuS
 * @property {number} busyS all cores, all processes
 * @property {number} stealS
 * @property {number} allS
 * @property {number} rssKb of the server, at the end
 */

/**
 * The command of the load generator: the native one, compiled here when needed, or the one in JavaScript.
 *
 * @param {string} cache a directory for the program
 * @param {"auto" | "c" | "node"} choice
 * @returns {{ kind: "c" | "node", command: string[] }}
 */
export function chooseLoadGenerator(cache, choice) {
  const inNode = { kind: /** @type {const} */ ("node"), command: [process.execPath, load("fanout.mjs")] };
  if (choice === "node") return inNode;
  const source = load("fanout.c");
  const program = join(cache, "fanout-load");
  mkdirSync(cache, { recursive: true });
  const isFresh = modifiedAt(program) > modifiedAt(source);
  if (!isFresh && spawnSync("cc", ["-O2", "-o", program, source], { stdio: "ignore" }).status !== 0) {
    if (choice === "c") throw new Error("The native load generator needs a C compiler (`cc`).");
    return inNode;
  }
  return { kind: "c", command: [program] };
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** A load generator with its readers connected. */
export class LoadGenerator {
  #child;
  #lines;
  #ended;

  /**
   * Connects all readers.
   *
   * @param {readonly string[]} command
   * @param {{ dialect: import("../peers/peers.mjs").Dialect, port: number, pid: number, readers: number, drainMs: number }} target
   * @param {string} cache a directory for the plan
   * @param {boolean} isUrgent
   */
  static async start(command, target, cache, isUrgent) {
    const planFile = join(cache, `plan-${process.pid}.txt`);
    writeFileSync(planFile, makePlan(target));
    const generator = new LoadGenerator(command, planFile, isUrgent);
    try {
      await generator.#answer(CONNECT_MS);
      return generator;
    } catch (error) {
      await generator.stop();
      throw error;
    } finally {
      rmSync(planFile, { force: true });
    }
  }

  constructor(command, planFile, isUrgent) {
    this.#child = start(CORE, [...command, planFile], isUrgent);
    this.#ended = once(this.#child, "close");
    this.#lines = createInterface(this.#child.stdout);
  }

  /** Whether it can take another command. */
  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Publishes and measures.
   *
   * @param {import("../scenarios/fanout.mjs").Scenario} scenario
   * @param {{ warmMs: number, windowMs: number }} times
   * @returns {Promise<Window>}
   */
  async measure({ mode, amount }, { warmMs, windowMs }) {
    const answer = this.#answer(warmMs + windowMs + COMMAND_MS);
    this.#child.stdin.write(`${mode} ${amount} ${warmMs} ${windowMs}\n`);
    return answer;
  }

  async stop() {
    if (!this.isRunning) return;
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  async #answer(patienceMs) {
    const [line] = await Promise.race([
      once(this.#lines, "line"),
      this.#ended.then(() => Promise.reject(new Error("the load generator ended"))),
      rejectAfter(patienceMs, "the load generator does not answer"),
    ]);
    const answer = JSON.parse(line);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}
