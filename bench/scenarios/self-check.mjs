import { findPrograms } from "../lib/programs.mjs";
import { say } from "../lib/table.mjs";
import { tryPeer } from "../lib/trial.mjs";
import { brokenPeer } from "../peers/peers.mjs";
import { tryResume } from "./resume.mjs";

const open = { name: "check", title: "", mode: /** @type {const} */ ("open"), amount: 200 };
const one = { rooms: 1, members: 50, senders: 1, bodyBytes: 128 };
const many = { rooms: 5, members: 10, senders: 10, bodyBytes: 128 };
const alone = { rooms: 5, members: 1, senders: 1, bodyBytes: 128, endsWithAck: true };

/** What each kind of wrong server is asked to do. */
const CHECKS = [
  { what: "fan-out", faults: ["drop", "repeat", "swap", "alter", "cut"], shape: one, scenario: open },
  {
    what: "rooms",
    faults: ["drop", "swap", "stray", "unacked", "twice-acked", "wrong-ack"],
    shape: many,
    scenario: { ...open, amount: 400 },
  },
  {
    what: "deflate",
    faults: ["alter", "plain"],
    shape: { ...one, bodyBytes: 4_096, deflate: true },
    scenario: { ...open, amount: 20 },
  },
  {
    what: "sends",
    faults: ["drop", "unacked", "twice-acked", "wrong-ack"],
    shape: alone,
    scenario: { ...open, mode: /** @type {const} */ ("closed"), amount: 50 },
  },
  {
    what: "stalled",
    faults: ["forget-slow"],
    shape: { ...one, bodyBytes: 1_024, lastTiny: true },
    scenario: { ...open, before: ["stall", "closed 8 0 1000"], wakes: true },
  },
  {
    what: "resume",
    faults: ["forget-missed", "repeat-missed"],
    shape: { rooms: 5, members: 10, senders: 1, bodyBytes: 128, resumes: true },
    scenario: { ...open, amount: 20 },
    attempt: tryResume,
  },
];

/**
 * Shows that the benchmark refuses servers that are fast and wrong, in each kind of scenario.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>}
 */
export async function runSelfCheck(options) {
  const kinds = options.load === "auto" ? /** @type {const} */ (["c", "node"]) : [options.load];
  let areAllRefused = true;
  for (const kind of kinds) {
    const programs = findPrograms([], kind, say);
    const how = { seconds: 0.5, dist: "", isUrgent: options.isUrgent, programs, drainMs: 500, say };
    for (const { what, faults, shape, scenario, attempt = tryPeer } of kind === "c" ? CHECKS : CHECKS.slice(0, 1)) {
      for (const fault of [...faults, "nothing"]) {
        const [trial] = await attempt(brokenPeer(fault), { shape, scenarios: [scenario] }, how);
        const isRefused = trial.faults.length > 0;
        const isAsItShould = isRefused === (fault !== "nothing");
        areAllRefused &&= isAsItShould;
        const outcome = isRefused ? `refused: ${trial.faults.join(", ")}` : "accepted";
        say(`${kind.padEnd(5)}${what.padEnd(9)}${fault.padEnd(14)}${isAsItShould ? "" : "WRONGLY "}${outcome}`);
      }
    }
  }
  return areAllRefused;
}
