import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { compile } from "./native.mjs";

/** Jiffies of /proc, per second. */
const HERTZ = 100;

const hasTaskset = spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

/** Whether servers and load generator can be given a core each. */
export const canPin = hasTaskset && cpus().length >= 2;

/**
 * Starts a program on one core, in a session of its own.
 *
 * @param {number} core
 * @param {readonly string[]} command
 * @param {boolean} isUrgent whether it goes before all other processes
 * @returns {import("node:child_process").ChildProcessByStdio<import("node:stream").Writable, import("node:stream").Readable, null>}
 * @throws {Error} when it is to be urgent and there is no C compiler
 */
export function start(core, command, isUrgent) {
  const pinned = canPin ? ["taskset", "-c", String(core), ...command] : command;
  const [file, ...args] = isUrgent ? [findUrgent(), ...pinned] : pinned;
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], detached: true });
  child.stdin.on("error", () => {});
  return child;
}

function findUrgent() {
  const path = (name) => fileURLToPath(new URL(name, import.meta.url));
  const program = compile(path("../.cache"), "urgent", [path("urgent.c")]);
  if (program === null) throw new Error("--urgent needs a C compiler (`cc`).");
  return program;
}

/** How many files, and so connections, one process may have. */
export function openFilesLimit() {
  if (!existsSync("/proc/self/limits")) return Number.POSITIVE_INFINITY;
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
  return hard === null ? Number.POSITIVE_INFINITY : Number(hard[1]);
}

/** What a reader of the figures needs to know of the machine. */
export function describeMachine() {
  const [{ model }] = cpus();
  return `${cpus().length} × ${model.trim()}, ${process.platform} ${release().split("-")[0]}, Node ${process.version}`;
}

/**
 * What a process has used up to now, and what the host has taken away; zeros where there is no /proc.
 *
 * @param {number} pid
 */
export function costsOf(pid) {
  const stat = readProc(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  const times = readProc("/proc/stat").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  return {
    cpuS: (Number(stat[11] ?? 0) + Number(stat[12] ?? 0)) / HERTZ,
    rssKb: Number(/VmRSS:\s*(\d+)/.exec(readProc(`/proc/${pid}/status`))?.[1] ?? 0),
    stealS: (times[7] ?? 0) / HERTZ,
    allS: times.reduce((sum, time) => sum + time, 0) / HERTZ,
  };
}

/**
 * What a process has used of the processor up to now, in all its threads, s. As exact as the scheduler is, where it tells.
 *
 * @param {number} pid
 */
export function cpuOf(pid) {
  const threads = listProc(`/proc/${pid}/task`).map((thread) => readProc(`/proc/${pid}/task/${thread}/schedstat`));
  if (threads.some((text) => text === "") || threads.length === 0) return costsOf(pid).cpuS;
  return threads.reduce((sum, text) => sum + Number(text.split(" ")[0]), 0) / 1e9;
}

function listProc(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readProc(path) {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
