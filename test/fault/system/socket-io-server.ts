/**
 * The same chat on Socket.IO with its Redis adapter, as the control: a fault harness is believed only when it finds the losses of a
 * system that has them. What is stored is stored as well as by Yamabiko (one script gives the number, refuses repetitions and
 * keeps the event); how it comes to readers is Socket.IO's own.
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

/** KEYS: room, events, ids. ARGV: sender, messageId, payload. Answers the epoch, the seq, and whether it is a repetition. */
const APPEND = `
redis.call('HSETNX', KEYS[1], 'epoch', 'e1')
redis.call('HSETNX', KEYS[1], 'first', 1)
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local id = ARGV[1] .. '\\0' .. ARGV[2]
local before = redis.call('HGET', KEYS[3], id)
if before then return { epoch, tonumber(before), 1 } end
local seq = redis.call('HINCRBY', KEYS[1], 'head', 1)
redis.call('HSET', KEYS[2], seq, '0\\0\\0new_message\\0u' .. ARGV[1] .. '\\0m' .. ARGV[2] .. '\\0' .. ARGV[3])
redis.call('HSET', KEYS[3], id, seq)
return { epoch, seq, 0 }
`;

/** What a client sends. */
export interface SentChat {
  readonly roomId: string;
  readonly messageId: string;
  readonly content: string;
}

/** What members of the room are told. */
export interface ToldChat extends SentChat {
  readonly userId: string;
  readonly epoch: string;
  readonly seq: number;
}

const { values } = parseArgs({
  options: { port: { type: "string" }, log: { type: "string" } },
  strict: false,
});
const options = { maxRetriesPerRequest: 0, enableOfflineQueue: false, protocol: 2 as const };
const [store, publisher, subscriber] = [1, 2, 3].map(() => new Redis(String(values.log), options)) as [
  Redis,
  Redis,
  Redis,
];
for (const client of [store, publisher, subscriber]) client.on("error", () => {});
await Promise.all([store, publisher, subscriber].map((client) => new Promise((ready) => client.once("ready", ready))));

const http = createServer((_request, response) => void response.end());
const io = new Server(http, { path: "/ws/", adapter: createAdapter(publisher, subscriber), pingInterval: 5_000 });

io.on("connection", (socket) => {
  const user = String(socket.handshake.auth.user);
  socket.on("join", async (roomId: string, answer: (head: number | null) => void) => {
    try {
      await socket.join(roomId);
      answer(Number((await store.hget(`yamabiko:{${roomId}}:room`, "head")) ?? 0));
    } catch {
      answer(null);
    }
  });
  socket.on(
    "send",
    async (message: SentChat, answer: (saved: { epoch: string; seq: number; duplicate: boolean }) => void) => {
      const { roomId, messageId, content } = message;
      const of = `yamabiko:{${roomId}}`;
      try {
        const data = JSON.stringify({ content });
        const keys = [`${of}:room`, `${of}:events`, `${of}:ids`];
        const saved = await store.eval(APPEND, 3, ...keys, user, messageId, data);
        const [epoch, seq, repeated] = saved as [string, number, number];
        if (repeated === 0) io.to(roomId).emit("told", { ...message, userId: user, epoch, seq } satisfies ToldChat);
        answer({ epoch, seq, duplicate: repeated === 1 });
      } catch {
        // Not answered, it comes again.
      }
    },
  );
});

http.listen(Number(values.port), "127.0.0.1", () => console.log(`The server is listening on ${values.port}.`));
process.on("SIGTERM", () => process.exit(0));
