import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Encoder, MapSchema, schema, t } from "@colyseus/schema";
import { encode as encodeMessagePack } from "@msgpack/msgpack";

const PLAYERS = 100;
const SIZE = 2_000;
const ROUNDS = 600;
const TURN = 2 * Math.PI;

/** Players who go their ways; `moving` of them at all. */
function createCrowd(moving) {
  const players = Array.from({ length: PLAYERS }, (_, index) => ({
    id: `player-${index}`,
    x: (index * 7919) % SIZE,
    y: (index * 104_729) % SIZE,
    rotation: 0,
    way: index,
    isMoving: index < PLAYERS * moving,
  }));
  const step = () => {
    for (const player of players) {
      if (!player.isMoving) continue;
      player.way += (Math.random() - 0.5) * 0.3;
      player.x = (player.x + (Math.cos(player.way) * 200) / 60 + SIZE) % SIZE;
      player.y = (player.y + (Math.sin(player.way) * 200) / 60 + SIZE) % SIZE;
      player.rotation = ((player.way % TURN) + TURN) % TURN;
    }
  };
  return { players, step };
}

const state = (players) => ({
  type: "game_state",
  payload: { players: players.map(({ id, x, y, rotation }) => ({ id, x, y, rotation })), timestamp: Date.now() },
});

/** Each makes a function from players to how many bytes one tick takes. */
async function encodings(dist) {
  const load = (path) => import(pathToFileURL(join(dist, path)).href);
  const { angle8, q16 } = await load("protocol/game/field.js");
  const { layOut } = await load("protocol/game/layout.js");
  const { Snapshot } = await load("protocol/game/snapshot.js");
  const { SnapshotEncoder } = await load("protocol/game/snapshot-codec.js");
  const { tickHead } = await load("protocol/game/frame.js");
  const layout = layOut({
    player: { x: q16(0, SIZE, 1 / 8), y: q16(0, SIZE, 1 / 8), rotation: angle8() },
    input: {},
  });

  const ours = (back) => () => {
    const encoder = new SnapshotEncoder(layout);
    const ring = Array.from({ length: 16 }, () => new Snapshot(layout));
    let tick = 0;
    return (players) => {
      tick++;
      const now = ring[tick % 16];
      now.clear(tick, PLAYERS);
      players.forEach((player, slot) => {
        now.present[slot] = 1;
        now.acks[slot] = tick & 0xfff;
        layout.player.forEach(({ name, field }, index) => {
          now.columns[index][slot] = field.toWire(player[name]);
        });
      });
      const base = back > 0 && tick > back ? ring[(tick - back) % 16] : null;
      const head = tickHead({ roomId: "game:bench", tick: 100_000 + tick, base: base && 100_000 + tick - back });
      return encoder.encode(now, base && { snapshot: base, mask: base.present }, now.present, head).length;
    };
  };

  const colyseus = (position) => () => {
    const number = t[position];
    const Player = schema({ x: number(), y: number(), rotation: position === "float32" ? t.float32() : t.uint8() });
    const State = schema({ players: t.map(Player) });
    const all = new State();
    all.players ??= new MapSchema();
    const encoder = new Encoder(all);
    return (players) => {
      for (const { id, x, y, rotation } of players) {
        let player = all.players.get(id);
        if (player === undefined) {
          player = new Player();
          all.players.set(id, player);
        }
        const isFloat = position === "float32";
        player.x = isFloat ? x : Math.round(x * 8);
        player.y = isFloat ? y : Math.round(y * 8);
        player.rotation = isFloat ? rotation : Math.round((rotation / TURN) * 256) & 0xff;
      }
      const { length } = encoder.encode();
      encoder.discardChanges();
      return length;
    };
  };

  return {
    "JSON, as in the origin's `game_state`": () => (players) => Buffer.byteLength(JSON.stringify(state(players))),
    "MessagePack of the same": () => (players) => encodeMessagePack(state(players)).length,
    "@colyseus/schema 5, float32, changes": colyseus("float32"),
    "@colyseus/schema 5, int16 and uint8, changes": colyseus("int16"),
    "Yamabiko, whole": ours(0),
    "Yamabiko, from the tick before": ours(1),
    "Yamabiko, from 6 ticks before": ours(6),
  };
}

/** Bytes and time of one tick of 100 players, by encoding. */
export async function measureEncodings(dist) {
  const rows = [];
  for (const [name, create] of Object.entries(await encodings(dist))) {
    const row = { name };
    for (const moving of [1, 0.3]) {
      const { players, step } = createCrowd(moving);
      const encode = create();
      let bytes = 0;
      let tookMs = 0;
      for (let round = -ROUNDS; round < ROUNDS; round++) {
        step();
        const started = performance.now();
        const length = encode(players);
        if (round < 0) continue;
        tookMs += performance.now() - started;
        bytes += length;
      }
      row[moving === 1 ? "all" : "some"] = { bytes: bytes / ROUNDS, us: (tookMs / ROUNDS) * 1_000 };
    }
    rows.push(row);
  }
  return rows;
}
