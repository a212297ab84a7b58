/**
 * The load generator in JavaScript, for machines without a C compiler: for one room, plan,
 * commands and answers as of `load.c`, which costs less and is preferred. See there for what it does.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const NEWLINE = "\r\n\r\n";
const DIGITS = 10;
const PLACEHOLDER = "#".repeat(DIGITS);
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const SAMPLE_EVERY = 8;
/** How many readers connect at once. */
const CONNECTING = 32;
/** How long a reader may take to be let in, ms. */
const LET_IN_MS = 5_000;
const SETTLE_MS = 300;
/** Jiffies of /proc, per second. */
const HERTZ = 100;
const ZERO = "0".charCodeAt(0);

const plan = readPlan(process.argv[2]);
const readers = Number(plan.get("members"));
const delivery = textOf("delivery");
const tail = textOf("tail");
const ready = textOf("ready");
const ack = textOf("ack");
const publishTemplate = textOf("publish").toString("latin1").replace("\u0001", tail.toString("latin1"));
const needed = delivery.length + DIGITS + tail.length;

let nextNumber = 0;
let completed = 0;
/** The beginning of the last complaint of the server. */
let complaint = "";
/** By number, from `completed` on: how many readers still lack it, and when it was sent. */
const lacking = new Map();
const sentAt = new Map();
const count = { deliveries: 0, bytes: 0, reads: 0, missing: 0, repeated: 0, corrupt: 0, acks: 0 };
const measured = { first: Number.POSITIVE_INFINITY, end: 0, delivered: 0, latencies: [] };
/** Called after every read. */
let onProgress = () => {};

class Reader {
  #socket;
  #rest = null;
  #isSampled;
  #next = 0;
  #isUpgraded = false;
  #isReady = false;
  #letIn;

  constructor(index, letIn) {
    this.#isSampled = index % SAMPLE_EVERY === 0;
    this.#letIn = letIn;
    this.#socket = connect({ port: Number(plan.get("port")), host: "127.0.0.1", noDelay: true });
    this.#socket.on("connect", () => this.#socket.write(textOf("handshake")));
    this.#socket.on("data", (chunk) => this.#onData(chunk));
    this.#socket.on("error", (error) => fail(error.message));
    this.#socket.on("close", () => fail("the server dropped a reader"));
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  #onData(chunk) {
    count.reads++;
    count.bytes += chunk.length;
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (!this.#isUpgraded) {
      const end = bytes.indexOf(NEWLINE);
      if (end === -1) {
        this.#rest = bytes;
        return;
      }
      if (!bytes.subarray(0, end).toString("latin1").startsWith("HTTP/1.1 101")) fail("the handshake was refused");
      this.#isUpgraded = true;
      bytes = bytes.subarray(end + NEWLINE.length);
      const hello = textOf("hello");
      if (hello.length > 0) this.write(frame(hello, 1));
      if (ready.length === 0) this.#enter();
    }
    const used = this.#parse(bytes, performance.now());
    if (used < bytes.length) this.#rest = bytes.subarray(used);
    onProgress();
  }

  #parse(bytes, now) {
    let at = 0;
    while (bytes.length - at >= 2) {
      let header = 2;
      let size = bytes[at + 1] & 0x7f;
      if (size === 126) {
        header = 4;
        if (bytes.length - at < header) break;
        size = bytes.readUInt16BE(at + 2);
      } else if (size === 127) {
        header = 10;
        if (bytes.length - at < header) break;
        size = bytes.readUInt32BE(at + 6);
      }
      const start = at + header;
      const end = start + size;
      if (end > bytes.length) break;
      const opcode = bytes[at] & 0x0f;
      if ((bytes[at] & 0xf0) !== 0x80 || (bytes[at + 1] & 0x80) !== 0)
        fail("the server sent a frame that is not whole and plain");
      if (opcode === 1) this.#onMessage(bytes, start, end, now);
      else if (opcode === 9) this.write(frame(bytes.subarray(start, end), 10));
      else if (opcode === 8) fail("the server closed a reader");
      else if (opcode === 2) count.corrupt++;
      at = end;
    }
    return at;
  }

  #onMessage(bytes, start, end, now) {
    if (startsWith(bytes, start, end, delivery)) this.#onDelivery(bytes, start, end, now);
    else if (ack.length > 0 && startsWith(bytes, start, end, ack)) count.acks++;
    else if (!this.#isReady && startsWith(bytes, start, end, ready)) this.#enter();
    else {
      const text = bytes.toString("latin1", start, Math.min(end, start + 200));
      if (text.includes("error")) complaint = text;
    }
  }

  #onDelivery(bytes, start, end, now) {
    const digits = start + delivery.length;
    const rest = digits + DIGITS;
    if (end - start < needed || bytes.compare(tail, 0, tail.length, rest, rest + tail.length) !== 0) {
      count.corrupt++;
      return;
    }
    let number = 0;
    for (let at = digits; at < rest; at++) number = number * 10 + bytes[at] - ZERO;
    if (!(number < nextNumber)) count.corrupt++;
    else if (number < this.#next) count.repeated++;
    else {
      count.missing += number - this.#next;
      this.#next = number + 1;
      count.deliveries++;
      if (number >= measured.first && number < measured.end) {
        measured.delivered++;
        if (this.#isSampled) measured.latencies.push(now - sentAt.get(number));
      }
      lacking.set(number, lacking.get(number) - 1);
      while (lacking.get(completed) === 0) {
        lacking.delete(completed);
        sentAt.delete(completed);
        completed++;
      }
    }
  }

  #enter() {
    this.#isReady = true;
    this.#letIn();
  }
}

function startsWith(bytes, start, end, text) {
  return end - start >= text.length && bytes.compare(text, 0, text.length, start, start + text.length) === 0;
}

/** One masked frame. */
function frame(payload, opcode) {
  const isShort = payload.length < 126;
  const header = isShort ? 2 : 4;
  const bytes = Buffer.alloc(header + MASK.length + payload.length);
  bytes[0] = 0x80 | opcode;
  if (isShort) bytes[1] = 0x80 | payload.length;
  else {
    bytes[1] = 0x80 | 126;
    bytes.writeUInt16BE(payload.length, 2);
  }
  MASK.copy(bytes, header);
  for (let i = 0; i < payload.length; i++) bytes[header + MASK.length + i] = payload[i] ^ MASK[i & 3];
  return bytes;
}

function publish(publisher, many) {
  const now = performance.now();
  const frames = [];
  for (let i = 0; i < many; i++) {
    const number = nextNumber++;
    lacking.set(number, readers);
    sentAt.set(number, now);
    const text = publishTemplate.replaceAll(PLACEHOLDER, String(number).padStart(DIGITS, "0"));
    frames.push(frame(Buffer.from(text, "latin1"), 1));
  }
  if (frames.length > 0) publisher.write(Buffer.concat(frames));
}

/** Publishes as asked until a point in time. */
function load(publisher, isClosed, amount, until) {
  return new Promise((resolve) => {
    let timer = null;
    let due = performance.now();
    const finish = () => {
      clearInterval(timer);
      onProgress = () => {};
      resolve();
    };
    const refill = () => {
      if (performance.now() < until) publish(publisher, Math.max(0, amount - (nextNumber - completed)));
    };
    const step = () => {
      const now = performance.now();
      if (now >= until) return finish();
      if (isClosed) return refill();
      let many = 0;
      for (; due <= now; due += 1_000 / amount) many++;
      publish(publisher, many);
    };
    if (isClosed) onProgress = refill;
    timer = setInterval(step, 1);
    step();
  });
}

async function measure(publisher, isClosed, amount, warmMs, windowMs) {
  await load(publisher, isClosed, amount, performance.now() + warmMs);
  Object.assign(measured, { first: nextNumber, end: Number.POSITIVE_INFINITY, delivered: 0, latencies: [] });
  const faults = { ...count };
  const before = takeSnapshot();
  await load(publisher, isClosed, amount, before.at + windowMs);
  const after = takeSnapshot();
  measured.end = nextNumber;
  const published = measured.end - measured.first;
  const drainUntil = after.at + Number(plan.get("drainMs"));
  while (completed < nextNumber && performance.now() < drainUntil) await pause(1);
  const isDrained = completed === nextNumber;
  // What still comes is too much: a repetition arrives after the original.
  await pause(30);
  measured.latencies.sort((a, b) => a - b);
  const percentile = (share) => measured.latencies[Math.floor(measured.latencies.length * share)] ?? 0;
  say({
    seconds: (after.at - before.at) / 1_000,
    published,
    expected: published * readers,
    delivered: measured.delivered,
    deliveriesInWindow: after.deliveries - before.deliveries,
    bytes: after.bytes - before.bytes,
    reads: after.reads - before.reads,
    missing: count.missing - faults.missing,
    repeated: count.repeated - faults.repeated,
    corrupt: count.corrupt - faults.corrupt,
    acksSinceStart: count.acks,
    publishedSinceStart: nextNumber,
    isDrained,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    serverCpuS: after.serverCpuS - before.serverCpuS,
    generatorCpuS: after.ownCpuS - before.ownCpuS,
    busyS: after.busyS - before.busyS,
    stealS: after.stealS - before.stealS,
    allS: after.allS - before.allS,
    rssKb: Number(/VmRSS:\s*(\d+)/.exec(readProc(`/proc/${plan.get("pid")}/status`))?.[1] ?? 0),
  });
  if (!isDrained) process.exit(0);
}

function takeSnapshot() {
  const { user, system } = process.cpuUsage();
  const server =
    readProc(`/proc/${plan.get("pid")}/stat`)
      .split(") ")[1]
      ?.split(" ") ?? [];
  const times = readProc("/proc/stat").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const [inUser = 0, nice = 0, inKernel = 0, idle = 0, waiting = 0, interrupt = 0, softInterrupt = 0, steal = 0] =
    times;
  const busy = inUser + nice + inKernel + interrupt + softInterrupt;
  return {
    at: performance.now(),
    deliveries: count.deliveries,
    bytes: count.bytes,
    reads: count.reads,
    serverCpuS: (Number(server[11] ?? 0) + Number(server[12] ?? 0)) / HERTZ,
    ownCpuS: (user + system) / 1e6,
    busyS: busy / HERTZ,
    stealS: steal / HERTZ,
    allS: (busy + steal + idle + waiting) / HERTZ,
  };
}

function readProc(path) {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // Not Linux: these figures stay 0.
  }
}

async function connectAll() {
  const all = [];
  const connectOne = (index) =>
    new Promise((resolve) => {
      const timer = setTimeout(() => fail(`a reader was not let in; it said: ${complaint}`), LET_IN_MS);
      all[index] = new Reader(index, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  for (let from = 0; from < readers; from += CONNECTING) {
    const length = Math.min(CONNECTING, readers - from);
    await Promise.all(Array.from({ length }, (_none, index) => connectOne(from + index)));
  }
  return all;
}

function readPlan(path) {
  const lines = readFileSync(path, "latin1").split("\n");
  return new Map(lines.map((line) => /** @type {[string, string]} */ (line.split(" "))));
}

/** With the number of the room, and of the messages a reader has before it joins. */
function textOf(name) {
  const text = Buffer.from(plan.get(name) ?? "", "hex").toString("latin1");
  return Buffer.from(text.replaceAll("@@@@@", "00000").replaceAll("^^^^^^^^^^", "         0"), "latin1");
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function fail(error) {
  say({ error });
  process.exit(1);
}

const started = performance.now();
const [publisher] = await connectAll();
await pause(SETTLE_MS);
say({ connected: readers, seconds: (performance.now() - started) / 1_000 });
for await (const line of createInterface(process.stdin)) {
  const [mode, amount, warmMs, windowMs] = line.split(" ");
  await measure(publisher, mode === "closed", Number(amount), Number(warmMs), Number(windowMs));
}
process.exit(0);
