import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inRepository } from "./tables.ts";

const run = promisify(execFile);

/** A small house with one honest file per layer, in which violations are planted. */
const HOUSE: Readonly<Record<string, string>> = {
  "protocol/index.ts": "export const word = 1;",
  "codec/codec.ts": 'import { word } from "../protocol/index.ts"; export const codec = word;',
  "log/log.ts": 'import { word } from "../protocol/index.ts"; export type Log = typeof word;',
  "log/memory.ts": 'import type { Log } from "./log.ts"; export const memory: Log = 1;',
  "bus/bus.ts": "export type Bus = 1;",
  "bus/memory.ts": 'import type { Bus } from "./bus.ts"; export const memoryBus: Bus = 1;',
  "observe/observer.ts": "export type Observer = 1;",
  "observe/metrics.ts": 'import type { Observer } from "./observer.ts"; export const metrics: Observer = 1;',
  "auth/identity.ts": "export type Identity = 1;",
  "auth/jwt.ts": 'import type { Identity } from "./identity.ts"; export const verify = (): Identity => 1;',
  "room/room.ts":
    'import type { Observer } from "../observe/observer.ts"; import type { Log } from "../log/log.ts"; export type Room = Log | Observer;',
  "session/namespace.ts": "export const defineNamespace = 1;",
  "session/session.ts": 'import type { Room } from "../room/room.ts"; export type Session = Room;',
  "transport/websocket.ts": 'import type { Session } from "../session/session.ts"; export type Transport = Session;',
  "features/chat/chat.ts":
    'import { defineNamespace } from "../../session/namespace.ts"; export const chat = defineNamespace;',
  "features/feed/feed.ts": "export const feed = 1;",
  "client/client.ts": 'import { codec } from "../codec/codec.ts"; export const client = codec;',
  "server/server.ts": 'import { memory } from "../log/memory.ts"; export const server = memory;',
  "bin/yamabiko.ts": 'import { server } from "../server/server.ts"; export const bin = server;',
};

/** Each rule, where it is broken, and how. */
const VIOLATIONS: readonly (readonly [rule: string, directory: string, text: string])[] = [
  ["layer-protocol", "protocol", 'import type { Log } from "../log/log.ts"; export type Word = Log;'],
  ["layer-codec", "codec", 'import type { Log } from "../log/log.ts"; export type Codec = Log;'],
  ["layer-log", "log", 'import type { Bus } from "../bus/bus.ts"; export type L = Bus;'],
  ["layer-room", "room", 'import type { Session } from "../session/session.ts"; export type R = Session;'],
  ["layer-room", "room", 'import type { metrics } from "../observe/metrics.ts"; export type R = typeof metrics;'],
  ["types-only-of-the-observer-and-the-identity", "room", 'import * as o from "../observe/observer.ts"; export { o };'],
  ["layer-session", "session", 'import type { T } from "../transport/websocket.ts"; export type S = T;'],
  ["layer-transport", "transport", 'import { chat } from "../features/chat/chat.ts"; export { chat };'],
  ["layer-features", "features/chat", 'import type { Room } from "../../room/room.ts"; export type R = Room;'],
  ["features-stand-alone", "features/chat", 'import { feed } from "../feed/feed.ts"; export { feed };'],
  ["layer-client", "client", 'import type { Session } from "../session/session.ts"; export type S = Session;'],
  ["runs-in-browsers", "client", 'import { readFile } from "node:fs"; export { readFile };'],
  ["runs-in-browsers", "codec", 'import { Buffer } from "node:buffer"; export { Buffer };'],
  ["ws-only-in-node", "client", 'import { WebSocket } from "ws"; export { WebSocket };'],
  ["layer-auth", "auth", 'import type { Session } from "../session/session.ts"; export type S = Session;'],
  ["layer-observe", "observe", 'import { verify } from "../auth/jwt.ts"; export { verify };'],
  ["only-server-chooses", "room", 'import { memory } from "../log/memory.ts"; export { memory };'],
  ["only-bin-starts", "features/feed", 'import { server } from "../../server/server.ts"; export { server };'],
  ["layer-bin", "bin", 'import { memory } from "../log/memory.ts"; export { memory };'],
  ["no-missing", "server", 'import { gone } from "./gone.ts"; export { gone };'],
  ["no-development-dependencies", "server", 'import { build } from "esbuild"; export { build };'],
  ["no-cycles", "log", 'import type { Planted } from "./planted-too.ts"; export type L = Planted;'],
];

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

let directory: string;
let violations: readonly Violation[];

const planted = (number: number): string => `${VIOLATIONS[number]?.[1]}/planted-${number}.ts`;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "yamabiko-layers-"));
  for (const [name, text] of Object.entries(HOUSE)) await write(name, text);
  for (const [number, [, , text]] of VIOLATIONS.entries()) await write(planted(number), text);
  await write("log/planted-too.ts", `export type { L as Planted } from "./planted-${VIOLATIONS.length - 1}.ts";`);
  for (const name of [".dependency-cruiser.cjs", "tsconfig.json", "package.json"]) {
    await cp(inRepository(name), join(directory, name));
  }
  await symlink(inRepository("node_modules"), join(directory, "node_modules"));
  const args = ["--config", ".dependency-cruiser.cjs", "--output-type", "json", "src"];
  const { stdout } = await run(inRepository("node_modules/.bin/depcruise"), args, {
    cwd: directory,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { stdout: string }) => error);
  violations = (JSON.parse(stdout) as { summary: { violations: Violation[] } }).summary.violations;
});
afterAll(() => rmSync(directory, { recursive: true }));

async function write(name: string, text: string): Promise<void> {
  const path = join(directory, "src", name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${text}\n`);
}

/** The rules that a file breaks. */
const brokenBy = (name: string): string[] =>
  violations.filter((violation) => violation.from === `src/${name}`).map((violation) => violation.rule.name);

describe("the layer law", () => {
  it("finds nothing in honest files", () => {
    expect(Object.keys(HOUSE).flatMap(brokenBy)).toEqual([]);
  });

  it.each(VIOLATIONS.map(([rule, where, text], number) => ({ rule, where, text, number })))(
    "notices $rule broken in $where by $text",
    ({ rule, number }) => {
      expect(brokenBy(planted(number))).toContain(rule);
    },
  );
});
