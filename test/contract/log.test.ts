import { createMemoryLog } from "../../src/log/memory.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { logContract } from "../../src/testing/log-contract.ts";
import { sqliteHarness, sqliteTraits } from "./sqlite-harness.ts";

logContract(
  "memory",
  async () => {
    const still = createFakeClock();
    let moved = 0;
    const clock = { ...still, now: () => still.now() + moved, monotonic: () => still.monotonic() + moved };
    return {
      log: createMemoryLog({ clock }),
      advance(ms: number) {
        moved += ms;
      },
    };
  },
  { durable: false, clock: true },
);

logContract(
  "faulty over memory",
  async () => {
    const log = createFaultyLog(createMemoryLog());
    return {
      log,
      async breakAppends() {
        log.failAppends();
        return async () => log.heal();
      },
    };
  },
  { durable: false, breakable: true },
);

logContract("sqlite, better-sqlite3, full", () => sqliteHarness({ driver: "better-sqlite3" }), sqliteTraits);

logContract(
  "sqlite, better-sqlite3, normal",
  () => sqliteHarness({ driver: "better-sqlite3", synchronous: "normal" }),
  sqliteTraits,
);
