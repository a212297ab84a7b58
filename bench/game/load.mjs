/**
 * Players of the benchmark's game, in a process of their own: each sends an input 60 times a second, and counts what it gets.
 *
 *   node load.mjs '{"port": 8080, "players": 100, "moving": 1}'
 *
 * Answers `report` with what came since the last one.
 */
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const { port, players, moving } = JSON.parse(process.argv.at(-1));
const TICK_MS = 1_000 / 60;
const counted = { frames: 0, bytes: 0, whole: 0, wholeBytes: 0, inputs: 0 };

/** How many ticks back the base of a frame lies; 0 for a whole one. */
function backOf(frame) {
  let at = 2 + frame[1];
  while (frame[at] >= 0x80) at++;
  return frame[at + 1];
}

const sockets = await Promise.all(
  Array.from({ length: players }, async (_, index) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    const joined = new Promise((resolve) => {
      socket.on("message", (frame, isBinary) => {
        if (!isBinary) {
          if (frame.includes('"joined_room"')) resolve();
          return;
        }
        counted.frames++;
        counted.bytes += frame.length;
        if (backOf(frame) > 0) return;
        counted.whole++;
        counted.wholeBytes += frame.length;
      });
    });
    socket.send(JSON.stringify({ type: "join_room", payload: { roomId: "game:bench", format: "binary" } }));
    await joined;
    return { socket, isMoving: index < players * moving, seq: index * 1_000, way: index };
  }),
);
process.stdout.write(`${JSON.stringify({ joined: sockets.length })}\n`);

let sent = 0;
const started = performance.now();
const tick = () => {
  const due = Math.floor((performance.now() - started) / TICK_MS);
  for (; sent < due; sent++) {
    for (const player of sockets) {
      player.way += (Math.random() - 0.5) * 0.3;
      const input = player.isMoving
        ? `{"dx":${Math.cos(player.way).toFixed(2)},"dy":${Math.sin(player.way).toFixed(2)}}`
        : '{"dx":0,"dy":0}';
      player.socket.send(
        `{"type":"player_input","payload":{"roomId":"game:bench","seq":${++player.seq},"input":${input}}}`,
      );
      counted.inputs++;
    }
  }
};
setInterval(tick, 4);

createInterface(process.stdin)
  .on("line", () => {
    process.stdout.write(`${JSON.stringify(counted)}\n`);
    for (const name of Object.keys(counted)) counted[name] = 0;
  })
  .once("close", () => process.exit(0));
