import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The built command; another one that takes the same arguments may be named by `TEST_BIN`. */
export const BIN = process.env.TEST_BIN ?? "dist/bin/yamabiko.js";
/** The built playground. */
export const PLAYGROUND = "playground/dist";

/** @throws {Error} when `npm run build` has not made what the browser tests need. */
function checkBuilt(): void {
  const missing = [BIN, join(PLAYGROUND, "index.html")].filter((path) => !existsSync(path));
  if (missing.length === 0) return;
  throw new Error(`The browser tests need a build, and there is no ${missing.join(" and no ")}. Run: npm run build`);
}

/** A server started as a user starts it. */
export interface ServerProcess {
  readonly url: string;
  /** Where the admin console is, and the secret that was made for it. */
  readonly adminUrl: string;
  readonly adminSecret: string;
  /** Ends the process; removes its log unless `directory` was given. */
  stop(): Promise<void>;
}

/** How to start a server. */
export interface ServerStart {
  /** Default: a free one. */
  readonly port?: number;
  /** Where the log is, so that a second server goes on with it. Default: a new one. */
  readonly directory?: string;
  readonly flags?: readonly string[];
}

const START_MS = 20_000;

/** A new directory for a server's log. */
export function newDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "yamabiko-browser-"));
}

/**
 * Starts `yamabiko serve --dev` with the playground and a SQLite log, and waits for the line with its address.
 * @throws {Error} with what the server printed, when it ends or says no address in time; or when there is no build.
 */
export async function startServer(start: ServerStart = {}): Promise<ServerProcess> {
  checkBuilt();
  const directory = start.directory ?? (await newDirectory());
  const log = `sqlite:${join(directory, "log.db")}`;
  const flags = ["--dev", "--port", String(start.port ?? 0), "--log", log, "--static", PLAYGROUND];
  const child = spawn(process.execPath, [BIN, "serve", ...flags, ...(start.flags ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
    env: withoutSettings(process.env),
  });
  const stop = async (): Promise<void> => {
    await ended(child);
    if (start.directory === undefined) await rm(directory, { recursive: true, force: true });
  };
  try {
    return { ...(await addressesOf(child)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What whoever runs the tests has set for a server of their own does not concern these. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("YAMABIKO_")));
}

function addressesOf(child: ChildProcess): Promise<Omit<ServerProcess, "stop">> {
  return new Promise((resolve, reject) => {
    let printed = "";
    const fail = (why: string): void => reject(new Error(`The server ${why}. It printed:\n${printed}`));
    const timer = setTimeout(() => fail("did not print its address"), START_MS);
    const read = (chunk: Buffer): void => {
      printed += chunk.toString();
      const url = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(printed)?.[1];
      const admin = /admin console is on (http:\S+), with the secret (\S+)\n/.exec(printed);
      if (url === undefined || admin === null) return;
      clearTimeout(timer);
      resolve({ url, adminUrl: admin[1]!, adminSecret: admin[2]! });
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code) => fail(`ended with code ${code}`));
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exit;
  clearTimeout(timer);
}
