import { angle8, axis, bool, defineGame, q16, u8 } from "../protocol/game/index.ts";
import { YamabikoError } from "../protocol/index.ts";

/** The arena's size, and the sizes of what is in it, in its own units. */
export const ARENA = { width: 1_600, height: 1_000, playerRadius: 18, orbRadius: 9 } as const;

/** How fast a player goes, in units per second, and how much faster while it dashes. */
const SPEED = 280;
const DASH_SPEED = 2.7;
/** How much of the way to the wanted speed is made in one step. */
const GRIP = 0.16;
const DASH_TICKS = 14;
/** A dash is ready when this much is charged; it charges by one each tick. */
export const DASH_CHARGE = 120;
/** Orbs lying about, one of so many worth `GOLD`. */
const ORBS = 26;
const GOLD_EVERY = 9;
const GOLD = 5;
/** What a dash takes from whom it hits. */
const LOOT = 3;
const ROUND_SECONDS = 60;
const MAX_BOTS = 100;
/** How often a bot thinks, ticks. */
const BOT_TICKS = 8;

/** Something to be collected. */
export interface Orb {
  readonly x: number;
  readonly y: number;
  readonly worth: number;
}

/** How the last round ended. */
export interface RoundEnd {
  readonly number: number;
  readonly winner: string;
  readonly score: number;
}

/**
 * The arena of the demonstration: collect orbs, dash into others to take theirs, be the first when the minute is over. The
 * server and the page run this same file.
 */
export const arena = defineGame({
  tick: 60,
  maxPlayers: 140,
  schema: {
    player: {
      x: q16(0, ARENA.width, 1 / 8),
      y: q16(0, ARENA.height, 1 / 8),
      vx: q16(-1_000, 1_000, 1),
      vy: q16(-1_000, 1_000, 1),
      rotation: angle8(),
      dash: u8(),
      charge: u8(),
    },
    world: { seconds: u8() },
    input: { dx: axis(), dy: axis(), dash: bool() },
  },

  onJoin: ({ id }, _world, { random }) => ({
    values: { x: 100 + random() * (ARENA.width - 200), y: 100 + random() * (ARENA.height - 200), charge: DASH_CHARGE },
    profile: { score: 0, hue: hueOf(id) },
  }),

  step(_world, inputs, dt) {
    for (const [player, { dx, dy, dash }] of inputs) {
      if (dash && player.charge >= DASH_CHARGE && player.dash === 0) {
        player.dash = DASH_TICKS;
        player.charge = 0;
      }
      const isDashing = player.dash > 0;
      if (isDashing) player.dash--;
      else if (player.charge < DASH_CHARGE) player.charge++;
      const speed = (SPEED * (isDashing ? DASH_SPEED : 1)) / Math.max(1, Math.hypot(dx, dy));
      const grip = isDashing ? 0.5 : GRIP;
      player.vx += (dx * speed - player.vx) * grip;
      player.vy += (dy * speed - player.vy) * grip;
      player.x += player.vx * dt;
      player.y += player.vy * dt;
      const { playerRadius: edge, width, height } = ARENA;
      if (player.x < edge || player.x > width - edge) player.vx *= -0.6;
      if (player.y < edge || player.y > height - edge) player.vy *= -0.6;
      player.x = Math.min(width - edge, Math.max(edge, player.x));
      player.y = Math.min(height - edge, Math.max(edge, player.y));
      if (Math.hypot(player.vx, player.vy) > 12) player.rotation = Math.atan2(player.vy, player.vx);
    }
  },

  rules(world, host) {
    const { players, tick } = world;
    const score = (id: string): number => Number(host.profileOf(id).score ?? 0);
    for (let index = 0; index < ORBS; index++) {
      if (!host.things.has(`orb-${index}`)) host.putThing(`orb-${index}`, { ...newOrb(index, host.random) });
    }
    for (const player of players) {
      for (let index = 0; index < ORBS; index++) {
        const key = `orb-${index}`;
        const orb = host.things.get(key) as unknown as Orb;
        if (Math.hypot(orb.x - player.x, orb.y - player.y) > ARENA.playerRadius + ARENA.orbRadius) continue;
        host.setProfile(player.id, { score: score(player.id) + orb.worth });
        host.putThing(key, { ...newOrb(Math.floor(host.random() * GOLD_EVERY * 2), host.random) });
      }
    }
    for (let first = 0; first < players.length; first++) {
      for (let second = first + 1; second < players.length; second++) {
        const [one, other] = [players[first]!, players[second]!];
        const [x, y] = [other.x - one.x, other.y - one.y];
        const distance = Math.hypot(x, y);
        const overlap = 2 * ARENA.playerRadius - distance;
        if (overlap <= 0) continue;
        const [nx, ny] = distance === 0 ? [1, 0] : [x / distance, y / distance];
        for (const [hit, by, sign] of [
          [one, other, -1],
          [other, one, 1],
        ] as const) {
          const isRammed = by.dash > 0 && hit.dash === 0;
          const push = isRammed ? 620 : 140;
          hit.x += (sign * nx * overlap) / 2;
          hit.y += (sign * ny * overlap) / 2;
          hit.vx += sign * nx * push;
          hit.vy += sign * ny * push;
          const loot = isRammed ? Math.min(LOOT, score(hit.id)) : 0;
          if (loot === 0) continue;
          host.setProfile(hit.id, { score: score(hit.id) - loot });
          host.setProfile(by.id, { score: score(by.id) + loot });
          by.dash = 0;
        }
      }
    }
    for (const player of players) {
      if (!host.isBot(player.id) || (tick + player.slot) % BOT_TICKS !== 0) continue;
      let nearest: Orb | null = null;
      let least = Number.POSITIVE_INFINITY;
      for (let index = 0; index < ORBS; index++) {
        const orb = host.things.get(`orb-${index}`) as unknown as Orb;
        // Each finds others a little nearer than they are, so that not all run for the same.
        const distance =
          Math.hypot(orb.x - player.x, orb.y - player.y) * (1 + ((player.slot * 7 + index * 13) % 10) / 5);
        if (distance >= least) continue;
        least = distance;
        nearest = orb;
      }
      const way = nearest === null ? 0 : Math.atan2(nearest.y - player.y, nearest.x - player.x);
      const sway = Math.sin(tick / 40 + player.slot * 2) * 0.6;
      const ease = 0.45 + (player.slot % 5) * 0.1;
      host.setInput(player, {
        dx: Math.cos(way + sway) * ease,
        dy: Math.sin(way + sway) * ease,
        dash: host.random() < 0.02,
      });
    }
    if (tick % 60 !== 0) return;
    world.seconds = world.seconds === 0 ? ROUND_SECONDS : world.seconds - 1;
    if (world.seconds > 0 || players.length === 0) return;
    const winner = players.reduce((best, player) => (score(player.id) > score(best.id) ? player : best));
    const number = Number((host.things.get("round") as { number?: number } | undefined)?.number ?? 0) + 1;
    const name = String(host.profileOf(winner.id).name);
    host.putThing("round", { number, winner: name, score: score(winner.id) });
    for (const { id } of players) host.setProfile(id, { score: 0 });
  },

  commands: {
    set_bots: {
      run(world, { count }, _from, host) {
        if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > MAX_BOTS) {
          throw new YamabikoError("invalid_message", `\`count\` is a whole number from 0 to ${MAX_BOTS}.`);
        }
        const bots = world.players.filter(({ id }) => host.isBot(id)).map(({ id }) => id);
        for (const id of bots.slice(count)) host.removeBot(id);
        const taken = new Set(bots);
        for (let index = 1, missing = count - bots.length; missing > 0 && index <= 2 * MAX_BOTS; index++) {
          const id = `bot:${index}`;
          if (!taken.has(id) && host.addBot(id, { name: `${BOT_NAMES[index % BOT_NAMES.length]} ${index}` })) missing--;
        }
      },
    },
  },
});

const BOT_NAMES = ["Kuma", "Kitsune", "Tanuki", "Saru", "Shika", "Usagi", "Fukurou", "Risu"] as const;

function newOrb(index: number, random: () => number): Orb {
  const margin = 40;
  return {
    x: Math.round(margin + random() * (ARENA.width - 2 * margin)),
    y: Math.round(margin + random() * (ARENA.height - 2 * margin)),
    worth: index % GOLD_EVERY === 0 ? GOLD : 1,
  };
}

/** The same colour for the same player, wherever it is drawn. */
function hueOf(id: string): number {
  let hash = 0;
  for (let index = 0; index < id.length; index++) hash = (hash * 31 + id.charCodeAt(index)) >>> 0;
  return (hash * 137) % 360;
}
