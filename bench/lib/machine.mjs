import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, setPriority } from "node:os";

/** How urgent the measured processes are with `--urgent`, as `nice` counts. */
const PRIORITY = -10;
/** Jiffies of /proc, per second. */
const HERTZ = 100;

const hasTaskset = spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

/** Whether servers and load generator can be given a core each. */
export const canPin = hasTaskset && cpus().length >= 2;

/**
 * Starts a program on one core, in a session of its own, so that it can be made more urgent than its neighbours.
 *
 * @param {number} core
 * @param {readonly string[]} command
 * @param {boolean} isUrgent
 * @returns {import("node:child_process").ChildProcessByStdio<import("node:stream").Writable, import("node:stream").Readable, null>}
 */
export function start(core, command, isUrgent) {
  const [file, ...args] = canPin ? ["taskset", "-c", String(core), ...command] : command;
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], detached: true });
  child.stdin.on("error", () => {});
  if (isUrgent && child.pid !== undefined) prioritize(child.pid);
  return child;
}

/** Linux shares a core first among sessions, then among their processes: both are told. Needs the right to do so. */
function prioritize(pid) {
  setPriority(pid, PRIORITY);
  if (existsSync(`/proc/${pid}/autogroup`)) writeFileSync(`/proc/${pid}/autogroup`, String(PRIORITY));
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

function readProc(path) {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
