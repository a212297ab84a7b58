import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { MemorySample } from "../fault/memory-probe.ts";
import { seededRandom } from "../fault/random.ts";
import { type Bundle, bundleCommand, findPort, ServerProcess } from "../fault/server-process.ts";
import { RawClient, until } from "../harness.ts";
import { RawSocket, textFrame } from "./raw-socket.ts";
import { IS_FULL } from "./siege.ts";
import { Witness } from "./witness.ts";

const CRLF = "\r\n";
const SEED = Number(process.env.TEST_SEED ?? "20240917");
/** Connections that are made and broken off before the process is measured for the first time, and after it. */
const WARM = IS_FULL ? 10_000 : 1_200;
const CYCLES = IS_FULL ? 100_000 : 2_400;
/** How many are on their way at once. */
const AT_ONCE = 40;
/** By how much the process may hold more afterwards. Few cycles say less about what is code and what is a leak. */
const MORE = IS_FULL ? 1.02 : 1.1;

const get = (path: string, ...lines: string[]) =>
  [`GET ${path} HTTP/1.1`, "Host: 127.0.0.1", ...lines, "", ""].join(CRLF);
const UPGRADE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const JOIN = textFrame('{"type":"join_room","payload":{"roomId":"room"}}');
const SEND = textFrame('{"type":"send_message","payload":{"roomId":"room","content":"x"},"messageId":"m"}');
const body = (head: string, text: string) =>
  `POST ${head} HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}Content-Length: 40${CRLF}${CRLF}${text}`;

/** How far a connection gets before it breaks off: what it says, and after which words of the server it says the next. */
const STAGES: readonly (readonly [say: string | Buffer, after: string])[][] = [
  [],
  [["G", ""]],
  [[get("/ws", ...UPGRADE).slice(0, 90), ""]],
  [[get("/ws", ...UPGRADE), ""]],
  [[get("/ws", ...UPGRADE), " 101 "]],
  [
    [get("/ws", ...UPGRADE), " 101 "],
    [JOIN, ""],
  ],
  [
    [get("/ws", ...UPGRADE), " 101 "],
    [JOIN, "room_users"],
    [SEND, ""],
  ],
  [
    [get("/ws", ...UPGRADE), " 101 "],
    [Buffer.concat([JOIN, SEND]), '"seq"'],
    [SEND.subarray(0, 9), ""],
  ],
  [[get("/ws", ...UPGRADE, "Sec-WebSocket-Protocol: yamabiko.v1.msgpack"), " 101 "]],
  [[get("/hocuspocus", ...UPGRADE), " 101 "]],
  [[get("/api/events?roomId=room"), "joined_room"]],
  [[get("/api/messages/wait?roomId=room&timeoutMs=20000"), ""]],
  [[get("/api/messages?roomId=room"), ""]],
  [[get("/api/messages?roomId=room"), "messages"]],
  [[body("/api/messages", "{"), ""]],
  [[body("/api/messages", '{"type":"ping","payload":{},"a":"aaaaaaa"}'), "pong"]],
];

/** One connection, to its stage and no further. */
function cycle(port: number, stage: number, isPolite: boolean): Promise<void> {
  return new Promise((resolve) => {
    const steps = STAGES[stage]!;
    let step = 0;
    let said = "";
    const socket: Socket = connect(port, "127.0.0.1");
    const timer = setTimeout(() => socket.destroy(), 5_000);
    const end = (): void => {
      if (isPolite) socket.destroy();
      else socket.resetAndDestroy();
    };
    const go = (): void => {
      while (step < steps.length) {
        const [words, after] = steps[step]!;
        step++;
        socket.write(words);
        if (after !== "") return;
      }
      setImmediate(end);
    };
    socket.on("connect", go);
    socket.on("data", (bytes) => {
      said += bytes.toString("latin1");
      const after = steps[step - 1]?.[1] ?? "";
      if (after === "" || !said.includes(after)) return;
      said = "";
      if (step < steps.length) go();
      else end();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

describe("a process of its own", () => {
  let bundle: Bundle;
  let server: ServerProcess | null = null;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  afterEach(async () => {
    await server?.remove();
    server = null;
  });
  afterAll(() => bundle.remove());

  it(
    `[case 49] ${CYCLES} connections that break off at every stage leave no handle, no descriptor and no memory behind`,
    async () => {
      const random = seededRandom(SEED);
      const port = await findPort(random);
      const nodeFlags = ["--expose-gc", "--import", bundle.memoryProbe];
      server = await ServerProcess.start({ command: bundle.command, port, nodeFlags, ipc: true });
      const witness = await Witness.start(server);
      const churn = async (count: number): Promise<void> => {
        let begun = 0;
        const one = async (): Promise<void> => {
          while (begun < count) await cycle(port, begun++ % STAGES.length, random() < 0.5);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, one));
      };
      /** When everything has gone, and members that may come back (10 s) as well. */
      const rest = async (before?: MemorySample): Promise<MemorySample> => {
        await new Promise((resolve) => setTimeout(resolve, 12_000));
        let sample = await server!.memory();
        const isMore = () =>
          before !== undefined &&
          (sample.handles > before.handles ||
            sample.descriptors > before.descriptors ||
            sample.held > before.held * MORE);
        for (let second = 0; second < 30 && isMore(); second++) {
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          sample = await server!.memory();
        }
        return sample;
      };
      await churn(WARM);
      const before = await rest();
      await churn(CYCLES);
      const after = await rest(before);
      console.log("before and after the cycles", JSON.stringify([before, after]));
      expect(after.handles).toBeLessThanOrEqual(before.handles);
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
      expect(after.held).toBeLessThan(before.held * MORE);
      await witness.check();
      await witness.stop();
      expect(server.failure).toBeNull();
    },
    IS_FULL ? 3_600_000 : 240_000,
  );

  it("[case 50] that may open few files turns connections away before it has none left, and says so", {
    timeout: 120_000,
  }, async () => {
    const port = await findPort(seededRandom(SEED + 1));
    server = await ServerProcess.start({ command: bundle.command, port, openFiles: 256 });
    const witness = await Witness.start(server);
    const sockets: Socket[] = [];
    let closed = 0;
    for (let index = 0; index < 400; index++) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.on("close", () => closed++);
      sockets.push(socket);
    }
    await until(() => closed > 150, 30_000);
    await witness.check();
    expect(server.printed).toContain("file descriptors");
    expect(server.printed).not.toContain("EMFILE");
    for (const socket of sockets) socket.destroy();
    await until(async () => {
      const socket = await RawSocket.open(server!.url).catch(() => null);
      socket?.destroy();
      return socket !== null;
    });
    await RawClient.open(server, "late");
    await witness.check();
    await witness.stop();
    expect(server.failure).toBeNull();
  });
});
