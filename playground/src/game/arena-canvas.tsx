import { useEffect, useRef } from "react";
import { ARENA, DASH_CHARGE, type Orb } from "../../../src/server/arena.ts";
import { Controls, STICK_PX } from "./controls.ts";
import type { Arena } from "./game-store.ts";

/** How often the colours of the page are read again, ms: the theme may have changed. */
const COLOURS_MS = 500;
/** Names are at least this high on the screen, px. */
const NAME_PX = 11;
/** With more players than this, only the own name and those of the best are drawn. */
const MANY = 30;

interface Colours {
  readonly ground: string;
  readonly line: string;
  readonly ink: string;
  readonly halo: string;
  readonly orb: string;
  readonly gold: string;
  readonly me: string;
  readonly isDark: boolean;
}

/** The arena, drawn for every frame of the screen, and what is wanted in it. */
export function ArenaCanvas({ game, label }: { game: Arena; label: string }) {
  const frameRef = useRef<HTMLDivElement>(null);
  const canvasRef = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    const frame = frameRef.current;
    const canvas = canvasRef.current;
    const context = canvas?.getContext("2d") ?? null;
    if (frame === null || canvas === null || context === null) return;
    const controls = new Controls(frame);
    let colours = readColours(frame);
    let readAt = 0;
    let request = 0;
    const draw = (now: number): void => {
      request = requestAnimationFrame(draw);
      if (now - readAt > COLOURS_MS) {
        colours = readColours(frame);
        readAt = now;
      }
      game.setInput(controls.wish);
      const scale = fit(canvas);
      context.setTransform(scale, 0, 0, scale, 0, 0);
      paint(context, game, colours, Math.max(19, (NAME_PX * devicePixelRatio) / scale));
      context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
      if (controls.stick !== null) paintStick(context, controls.stick, colours);
    };
    request = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(request);
      controls.close();
    };
  }, [game]);

  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard plays while it has the focus
    <div ref={frameRef} className="arena" role="application" aria-label={label} tabIndex={0}>
      <canvas ref={canvasRef} />
    </div>
  );
}

/** Makes the canvas as fine as the screen; how many of its points one unit of the arena takes. */
function fit(canvas: HTMLCanvasElement): number {
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return width / ARENA.width;
}

function readColours(element: HTMLElement): Colours {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  return {
    ground: style.backgroundColor,
    line: style.borderTopColor,
    ink: style.color,
    halo: style.backgroundColor,
    orb: of("--arena-orb"),
    gold: of("--arena-gold"),
    me: style.outlineColor,
    isDark: of("--arena-dark") === "1" || isDark(style.backgroundColor),
  };
}

function isDark(colour: string): boolean {
  const [red = 255, green = 255, blue = 255] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return red + green + blue < 380;
}

/** @param nameSize how high names are, in units of the arena. */
function paint(context: CanvasRenderingContext2D, game: Arena, colours: Colours, nameSize: number): void {
  const { width, height, orbRadius } = ARENA;
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, width, height);
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = 100; x < width; x += 100) {
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  for (let y = 100; y < height; y += 100) {
    context.moveTo(0, y);
    context.lineTo(width, y);
  }
  context.stroke();

  for (const [key, thing] of game.things) {
    if (!key.startsWith("orb-")) continue;
    const { x, y, worth } = thing as Orb;
    context.fillStyle = worth > 1 ? colours.gold : colours.orb;
    context.beginPath();
    context.arc(x, y, worth > 1 ? orbRadius * 1.5 : orbRadius, 0, 2 * Math.PI);
    context.fill();
  }

  const { players, me } = game.frame();
  const best = players.reduce((most, { profile }) => Math.max(most, Number(profile.score ?? 0)), 1);
  for (const player of players) {
    const isBest = Number(player.profile.score ?? 0) === best;
    const isNamed = player.isMe || isBest || players.length <= MANY;
    paintPlayer(context, player, colours, isNamed ? nameSize : null);
  }
  if (me !== null) paintCharge(context, me, colours);
}

type Drawn = ReturnType<Arena["frame"]>["players"][number];

function paintPlayer(
  context: CanvasRenderingContext2D,
  player: Drawn,
  colours: Colours,
  nameSize: number | null,
): void {
  const { playerRadius: radius } = ARENA;
  const { x, y, vx, vy, rotation, dash, isMe, profile } = player;
  const lightness = colours.isDark ? 62 : 45;
  const body = `hsl(${Number(profile.hue ?? 0)} 62% ${lightness}%)`;
  if (dash > 0) {
    context.strokeStyle = body;
    context.globalAlpha = 0.35;
    context.lineWidth = radius * 1.4;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - vx * 0.06, y - vy * 0.06);
    context.stroke();
    context.globalAlpha = 1;
  }
  context.fillStyle = body;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
  // The eyes say where it goes.
  context.fillStyle = colours.halo;
  for (const side of [-0.5, 0.5]) {
    context.beginPath();
    context.arc(x + Math.cos(rotation + side) * radius * 0.58, y + Math.sin(rotation + side) * radius * 0.58, 4, 0, 7);
    context.fill();
  }
  if (isMe) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, radius + 1.5, 0, 2 * Math.PI);
    context.stroke();
  }
  if (nameSize === null) return;
  context.font = `${isMe ? "700" : "500"} ${nameSize}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = colours.halo;
  const atEdge = y > ARENA.height - 30 - 2 * nameSize;
  const below = atEdge ? y - radius - 12 : y + radius + 3 + nameSize;
  const words = `${profile.name} ${Number(profile.score ?? 0)}`;
  const half = context.measureText(words).width / 2;
  const middle = Math.min(ARENA.width - half - 6, Math.max(half + 6, x));
  context.strokeText(words, middle, below);
  context.fillStyle = colours.ink;
  context.fillText(words, middle, below);
}

/** An arc that closes when the next dash is ready. */
function paintCharge(context: CanvasRenderingContext2D, { x, y, charge }: Drawn, colours: Colours): void {
  const part = Math.min(1, charge / DASH_CHARGE);
  context.strokeStyle = part === 1 ? colours.gold : colours.orb;
  context.lineWidth = 4;
  context.beginPath();
  context.arc(x, y, ARENA.playerRadius + 8, -Math.PI / 2, -Math.PI / 2 + part * 2 * Math.PI);
  context.stroke();
}

function paintStick(
  context: CanvasRenderingContext2D,
  { x, y, atX, atY }: { x: number; y: number; atX: number; atY: number },
  colours: Colours,
): void {
  context.strokeStyle = colours.ink;
  context.globalAlpha = 0.4;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, STICK_PX, 0, 2 * Math.PI);
  context.stroke();
  const reach = Math.max(1, Math.hypot(atX - x, atY - y) / STICK_PX);
  context.fillStyle = colours.ink;
  context.beginPath();
  context.arc(x + (atX - x) / reach, y + (atY - y) / reach, 18, 0, 2 * Math.PI);
  context.fill();
  context.globalAlpha = 1;
}
