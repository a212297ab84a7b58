import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { buildYamabiko } from "../lib/build.mjs";
import { costsOf } from "../lib/machine.mjs";
import { say } from "../lib/table.mjs";

const cache = fileURLToPath(new URL("../.cache/", import.meta.url));
const CHARACTERS = 100_000;

/**
 * Shared documents: 20 typists in one text of 100,000 characters. Paced, each typing 8 times a second, for what others wait to see it;
 * and one after the other, each sending as soon as it is answered, for what a change costs the server, its 20 deliveries included.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every typist had every change and the server's text is as long as theirs
 */
export async function runDocuments(options) {
  const dist = options.dist ?? buildYamabiko(cache);
  const args = [join(dist, "bin/yamabiko.js"), "serve", "--dev", "--port", "0", "--log", "memory:"];
  const server = spawn(process.execPath, [...options.nodeFlags, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const url = await addressOf(server);
    const rows = [];
    for (const [name, typists, paceMs] of [
      ["20 typists, 8 changes/s each", 20, 125],
      ["20 typists, as fast as answered", 20, 0],
      ["1 typist, as fast as answered", 1, 0],
    ]) {
      rows.push({ name, ...(await measure(url, server.pid, typists, paceMs, options)) });
    }
    say("| documents | changes/s | server CPU µs/change | deliveries | seen by others p50 ms | p99 ms |");
    say("| --- | --- | --- | --- | --- | --- |");
    for (const { name, rate, cpuUs, deliveries, p50, p99 } of rows) {
      say(
        `| ${name} | ${rate.toFixed(0)} | ${cpuUs.toFixed(0)} | ${deliveries} | ${p50.toFixed(1)} | ${p99.toFixed(1)} |`,
      );
    }
    return rows.every(({ isWhole }) => isWhole);
  } finally {
    server.kill();
  }
}

async function measure(url, pid, count, paceMs, options) {
  const documentId = `bench-${count}-${paceMs}`;
  const typists = [];
  for (let index = 0; index < count; index++) typists.push(await Typist.open(url, documentId, index));
  const [first] = typists;
  const line = `${"x".repeat(99)}\n`;
  for (let length = 0; length < CHARACTERS; length += 5_000) await first.type(length, line.repeat(50));
  await settled(typists);
  const seconds = options.isQuick ? 1 : options.seconds * options.rounds;
  for (const typist of typists) typist.delays = [];
  const before = costsOf(pid);
  const startedAt = performance.now();
  const versionBefore = first.version;
  const endsAt = startedAt + seconds * 1_000;
  await Promise.all(
    typists.map(async (typist, index) => {
      // Not all in the same moment.
      if (paceMs > 0) await sleep((paceMs / count) * index);
      while (performance.now() < endsAt) {
        const wait = paceMs > 0 ? sleep(paceMs) : null;
        await typist.type(Math.floor(Math.random() * typist.length), "y");
        await wait;
      }
    }),
  );
  const elapsed = (performance.now() - startedAt) / 1_000;
  await settled(typists);
  const changes = first.version - versionBefore;
  const delays = typists.flatMap((typist) => typist.delays).sort((a, b) => a - b);
  const cpuUs = ((costsOf(pid).cpuS - before.cpuS) * 1e6) / changes;
  const { version, text } = await (await fetch(`${url}/api/documents/${documentId}`)).json();
  for (const typist of typists) typist.socket.close();
  return {
    rate: changes / elapsed,
    cpuUs,
    deliveries: count,
    p50: delays[Math.floor(delays.length / 2)] ?? 0,
    p99: delays[Math.floor(delays.length * 0.99)] ?? 0,
    isWhole: typists.every((typist) => typist.version === version && typist.length === text.length),
  };
}

/** When each change was sent, by its messageId: senders and readers are one process, so they have one clock. */
const sentAt = new Map();

/** A typist that keeps the length of the text and not the text, so that the load costs little. */
class Typist {
  version = 0;
  length = 0;
  delays = [];
  #waiting = new Map();
  #ids = 0;

  static async open(url, documentId, index) {
    const typist = new Typist();
    typist.documentId = documentId;
    typist.name = `${documentId}-${index}`;
    typist.socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
    await new Promise((resolve, reject) => typist.socket.once("open", resolve).once("error", reject));
    const joined = new Promise((resolve) => {
      typist.joined = resolve;
    });
    typist.socket.on("message", (data) => typist.#received(JSON.parse(String(data))));
    typist.socket.send(JSON.stringify({ type: "join_room", payload: { roomId: `document:${documentId}` } }));
    await joined;
    return typist;
  }

  /** Resolves when it is acknowledged and has come back. */
  type(at, text) {
    const messageId = `${this.name}-${this.#ids++}`;
    const lines = text.split("\n");
    const change = [[0, ...lines], this.length - at];
    if (at > 0) change.unshift(at);
    if (this.length === at) change.pop();
    sentAt.set(messageId, performance.now());
    const payload = { documentId: this.documentId, version: this.version, changes: [change] };
    return new Promise((resolve) => {
      this.#waiting.set(messageId, { left: 2, resolve });
      this.socket.send(JSON.stringify({ type: "document_change", payload, messageId }));
    });
  }

  #received({ type, payload, messageId }) {
    if (type === "joined_room") {
      this.version = payload.snapshot.version;
      this.length = payload.snapshot.text.length;
      this.joined();
    } else if (type === "remote_change") {
      if (payload.version !== this.version) throw new Error(`version ${payload.version} after ${this.version}`);
      for (const change of payload.changes) {
        this.version++;
        for (const part of change) {
          if (!Array.isArray(part)) continue;
          const [removed, ...lines] = part;
          this.length += lines.reduce((sum, line) => sum + line.length, Math.max(0, lines.length - 1)) - removed;
        }
      }
      if (this.#waiting.has(messageId)) this.#arrived(messageId);
      else this.delays.push(performance.now() - sentAt.get(messageId));
    } else if (type === "ack" && this.#waiting.has(messageId)) {
      if (!payload.success) throw new Error(payload.error.message);
      this.#arrived(messageId);
    }
  }

  #arrived(messageId) {
    const waiting = this.#waiting.get(messageId);
    if (--waiting.left > 0) return;
    this.#waiting.delete(messageId);
    waiting.resolve();
  }
}

async function settled(typists) {
  for (let tries = 0; tries < 500; tries++) {
    if (typists.every(({ version }) => version === typists[0].version)) return;
    await sleep(10);
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function addressOf(server) {
  return new Promise((resolve, reject) => {
    let printed = "";
    server.stdout.on("data", (chunk) => {
      printed += chunk;
      const url = /http:\/\/[^\s]+:\d+/.exec(printed)?.[0];
      if (url !== undefined) resolve(url);
    });
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}
