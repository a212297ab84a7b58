import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { start } from "./machine.mjs";
import { makePlan } from "./plan.mjs";
import { rejectAfter } from "./server-process.mjs";

/** How long connecting all readers may take, and one command beyond its own time, ms. */
const CONNECT_MS = 70_000;
const COMMAND_MS = 20_000;
/** The core of the load generator. */
const CORE = 1;

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
 * @property {number} [acksInWindow]
 * @property {number} [deflated] messages of the window that came compressed
 * @property {number} missing numbers skipped by a reader
 * @property {number} repeated numbers that came again, or too late; acks that came again
 * @property {number} corrupt messages with another payload than the one published, or of another room
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
 * @property {number} [takenS] time in which others had a core that the server or the load generator wanted
 * @property {number} rssKb of the server, at the end
 */

/** A load generator with its readers connected. */
export class LoadGenerator {
  #child;
  #lines;
  #ended;

  /**
   * Connects all readers.
   *
   * @param {readonly string[]} command
   * @param {Parameters<typeof makePlan>[0]} target
   * @param {string} cache a directory for the plan
   * @param {boolean} isUrgent
   */
  static async start(command, target, cache, isUrgent) {
    mkdirSync(cache, { recursive: true });
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
   * @param {{ mode: "open" | "closed", amount: number }} scenario
   * @param {{ warmMs: number, windowMs: number }} times
   * @returns {Promise<Window>}
   */
  measure({ mode, amount }, { warmMs, windowMs }) {
    return this.command(`${mode} ${amount} ${warmMs} ${windowMs}`, warmMs + windowMs + COMMAND_MS);
  }

  /**
   * @param {string} line as `load/load.c` says
   * @param {number} [patienceMs]
   * @returns {Promise<any>} the answer
   */
  command(line, patienceMs = COMMAND_MS) {
    const answer = this.#answer(patienceMs);
    this.#child.stdin.write(`${line}\n`);
    return answer;
  }

  /** The next answer of a command that gives several. */
  next(patienceMs = COMMAND_MS) {
    return this.#answer(patienceMs);
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
