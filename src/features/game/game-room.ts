import type { AnyGame, Newcomer } from "../../protocol/game/game.ts";
import { type Snapshot, SnapshotRing } from "../../protocol/game/snapshot.ts";
import { SnapshotDecoder } from "../../protocol/game/snapshot-codec.ts";
import { type Json, type JsonObject, type Timer, toYamabikoError, YamabikoError } from "../../protocol/index.ts";
import type { Lead, OpenRoom, ReaderContext, RoomFeature, StateChange, Ticks } from "../../session/namespace.ts";
import { Frames } from "./frames.ts";
import { KeptWorld, type World } from "./kept-world.ts";
import { Loop } from "./loop.ts";
import { noteHead, openNote } from "./note.ts";
import { Presence } from "./presence.ts";
import { type PlayerEntry, RING, Simulation } from "./simulation.ts";

/** The families of a game's room. */
export const PLAYERS = "players";
export const THINGS = "things";

/** How often it is looked at who is there, per second. */
const ROLL_CALLS_PER_SECOND = 4;
/** How often other nodes are told who plays here, ms; also whether a game is over. */
const WATCH_MS = 1_000;
/** A game that nobody plays or watches here is let go after this time, ms. */
const IDLE_MS = 5_000;
/** How long inputs for another node are gathered, ms. */
const GATHER_MS = 5;
/** Inputs of one node gathered at most. */
const MAX_GATHERED = 1_000;
/** How long a command may take on another node, ms. */
const COMMAND_MS = 2_000;
/** Commands on their way to another node. */
const MAX_COMMANDS = 1_000;
/** A leader that has not been heard of for this long, and for as many ticks, may be gone, ms. */
const SILENT_MS = 1_000;
const SILENT_TICKS = 5;

/** One input on its way to the node that leads. */
type SentInput = [userId: string, source: string, seq: number | null, input: Json];

/** A game's room on this node: it leads the world, or follows the node that does; its readers cannot tell. */
export class GameRoom implements RoomFeature {
  readonly #game: AnyGame;
  readonly #room: OpenRoom;
  readonly #presence: Presence;
  readonly #frames: Frames;
  readonly #ticks: Ticks;
  readonly #loop: Loop;
  readonly #decoder: SnapshotDecoder;
  readonly #kept: KeptWorld;
  /** What is known of a world that another node leads. */
  readonly #followed: SnapshotRing;
  readonly #entries = new Map<string, PlayerEntry>();
  readonly #ids = new Map<number, string>();
  readonly #things = new Map<string, Json>();
  readonly #commands = new Map<number, { settle(error: YamabikoError | null): void; timer: Timer }>();
  #commandIds = 0;
  #simulation: Simulation | null = null;
  #lead: Lead | null = null;
  /** The newest reign heard of, its node, and when that was heard of last. */
  #fence = 0;
  #leader: string | null = null;
  #heardAt = 0;
  /** The reign that the newest tick followed is of, and when it came. */
  #followedFence = 0;
  #followedAt = 0;
  #letGo: (() => void) | null = null;
  #gathered: SentInput[] = [];
  #gatherTimer: Timer | null = null;
  #watchTimer: Timer | null = null;
  #usedAt = 0;
  #lostSteps = 0;
  #isClosed = false;

  constructor(game: AnyGame, room: OpenRoom) {
    this.#game = game;
    this.#room = room;
    const { clock } = room;
    this.#presence = new Presence(clock, (id) => room.isMember(id));
    this.#decoder = new SnapshotDecoder(game.layout);
    this.#kept = new KeptWorld(game, room);
    this.#followed = new SnapshotRing(game.layout, RING);
    this.#frames = new Frames({
      roomId: room.roomId,
      game,
      ring: () => this.#simulation?.ring ?? this.#followed,
      idOf: (slot) => this.#ids.get(slot),
      slotOf: (id) => this.#entries.get(id)?.slot,
      now: () => clock.now(),
    });
    this.#ticks = room.ticks(this.#frames);
    this.#loop = new Loop({
      clock,
      perSecond: game.tick,
      step: () => this.#step(),
      stepped: () => this.#publish(),
      lost: (steps) => {
        this.#lostSteps += steps;
      },
    });
  }

  /** Whether its world goes on, here or elsewhere. */
  get isRunning(): boolean {
    return this.#letGo !== null;
  }

  get isBusy(): boolean {
    return this.isRunning;
  }

  /** How many play, bots included. */
  get players(): number {
    return this.#entries.size;
  }

  /** The world as it is known here; null before anything is. To be looked at, not kept. */
  get newest(): Snapshot | null {
    return (this.#simulation?.ring ?? this.#followed).newest;
  }

  /** Somebody is here, or is about to be: the world goes on from now on, until nobody has been here for a while. */
  use(): void {
    this.#usedAt = this.#room.clock.monotonic();
    if (this.#letGo !== null || this.#isClosed) return;
    this.#letGo = this.#room.lead((lead) => {
      this.#ascend(lead).catch((error: unknown) => this.#room.failure("leading a game", error));
    });
    this.#planWatch();
  }

  reading({ user, options }: ReaderContext): void {
    this.use();
    // Who reads without being known again is nobody's player.
    if (!options.spectate && this.#room.isMember(user.id)) {
      this.#presence.arrived({ id: user.id, name: user.name });
      const simulation = this.#ruled();
      if (simulation !== null) this.#callRoll(simulation);
      else this.#watch();
    }
  }

  /**
   * What a user wants, as a stranger said it. False when it changes nothing: it plays no part here, or the number has been.
   * @param seq null for the next one.
   */
  input(userId: string, source: string, seq: number | null, input: Json): boolean {
    const now = this.#room.clock.monotonic();
    const simulation = this.#ruled();
    if (simulation !== null) return simulation.input(userId, source, seq, input, now) === null;
    if (this.#present === null || this.#gathered.length >= MAX_GATHERED) return false;
    this.#gathered.push([userId, source, seq, input]);
    this.#gatherTimer ??= this.#room.clock.setTimer(() => this.#sendInputs(), GATHER_MS);
    return true;
  }

  /** A reader says which tick it has; null when it needs a whole one. */
  confirm(connectionId: string, tick: number | null): void {
    this.#ticks.confirm(connectionId, tick);
  }

  /** Something that is not a matter of every tick. Rejects with what the game answers, and `unavailable`. */
  async command(type: string, payload: JsonObject, from: Newcomer): Promise<void> {
    const simulation = this.#ruled();
    if (simulation !== null) {
      simulation.command(type, payload, from);
      return;
    }
    const leader = this.#present;
    if (leader === null || this.#commands.size >= MAX_COMMANDS) throw notLed();
    const id = ++this.#commandIds;
    const { clock } = this.#room;
    const answered = new Promise<void>((resolve, reject) => {
      const settle = (error: YamabikoError | null): void => {
        this.#commands.get(id)?.timer.cancel();
        this.#commands.delete(id);
        if (error === null) resolve();
        else reject(error);
      };
      this.#commands.set(id, { settle, timer: clock.setTimer(() => settle(notLed()), COMMAND_MS) });
    });
    this.#room.tell("command", { id, type, payload, from: { ...from } }, leader);
    return answered;
  }

  stateChanged({ family, key, value }: StateChange): void {
    if (family === THINGS) {
      if (value === null) this.#things.delete(key);
      else this.#things.set(key, value);
    } else if (family === PLAYERS) this.#know(key, value as PlayerEntry | null);
  }

  heard(name: string, data: Json | Uint8Array, from: string): void {
    if (name === "tick") this.#follow(data as Uint8Array, from);
    else if (name === "watch") this.#presence.heard(from, (data as unknown as { users: Newcomer[] }).users);
    else if (name === "reign") this.#hearReign((data as unknown as { fence: number }).fence, from);
    else if (name === "inputs") this.#takeInputs(data as unknown as SentInput[]);
    else if (name === "command") this.#runCommand(data as unknown as SentCommand, from);
    else if (name === "answer") this.#answered(data as unknown as { id: number; error: JsonObject | null });
  }

  close(): void {
    this.#isClosed = true;
    this.#end();
    this.#gatherTimer?.cancel();
    for (const { settle } of Array.from(this.#commands.values())) settle(notLed());
  }

  // ---- who leads

  /** This node leads: from where, it must know first. */
  async #ascend(lead: Lead): Promise<void> {
    const isWanted = () => lead.holds() && !this.#isClosed;
    const kept = await this.#kept.read(isWanted);
    // Another leads already, of whom this node has heard meanwhile.
    if (isWanted() && this.#fence <= lead.fence) this.#reign(lead, this.#newer(kept));
  }

  /** What is known here of the world, or what was kept of it: the newer one. */
  #newer(kept: World | null): World {
    const snapshot = this.#followed.newest;
    const fence = this.#followedFence;
    const isOlder =
      kept?.snapshot != null &&
      (snapshot === null || kept.fence > fence || (kept.fence === fence && kept.snapshot.tick > snapshot.tick));
    if (isOlder) return kept;
    const ageMs = this.#room.clock.monotonic() - this.#followedAt;
    return { fence, snapshot, entries: new Map(this.#entries), things: new Map(this.#things), ageMs };
  }

  #reign(lead: Lead, { snapshot, entries, things, ageMs }: World): void {
    const { fence, signal } = lead;
    const simulation = new Simulation(this.#game, {
      player: (id, entry) => this.#tellState(PLAYERS, id, entry),
      thing: (key, value) => this.#tellState(THINGS, key, value),
      failure: (what, error) => this.#room.failure(what, error),
    });
    const passed = Math.max(0, Math.round((ageMs * this.#game.tick) / 1_000));
    simulation.takeOver(snapshot, snapshot === null ? 0 : snapshot.tick + 1 + passed, entries, things);
    this.#fence = Math.max(this.#fence, fence);
    this.#leader = this.#room.nodeId;
    this.#simulation = simulation;
    this.#lead = lead;
    for (const id of Array.from(this.#entries.keys())) if (!entries.has(id)) this.#tellState(PLAYERS, id, null);
    for (const key of Array.from(this.#things.keys())) if (!things.has(key)) this.#tellState(THINGS, key, null);
    for (const [id, entry] of entries) {
      // What the last leader said ends with it; from now on this node says it.
      this.#tellState(PLAYERS, id, entry);
      if (entry.bot !== true) this.#presence.await(id);
    }
    for (const [key, value] of things) this.#tellState(THINGS, key, value);
    signal.addEventListener("abort", () => this.#abdicate(simulation));
    this.#callRoll(simulation);
    // Those who followed another leader tell this one who plays there.
    this.#room.tell("reign", { fence });
    this.#loop.start();
  }

  /** The world, when this node leads at this moment: it may have slept, and then another node leads already. */
  #ruled(): Simulation | null {
    if (this.#simulation !== null && this.#lead?.holds() !== true) this.#abdicate(this.#simulation);
    return this.#simulation;
  }

  /** The node that leads, as far as it is known that it is there. */
  get #present(): string | null {
    const silentMs = Math.max(SILENT_MS, (SILENT_TICKS * 1_000) / this.#game.tick);
    return this.#room.clock.monotonic() - this.#heardAt <= silentMs ? this.#leader : null;
  }

  /** Another node leads from now on, or will. It is left the world, unless that is over. */
  #abdicate(simulation: Simulation | null, isOver = false): void {
    if (simulation === null || this.#simulation !== simulation) return;
    this.#loop.stop();
    const { fence } = this.#lead!;
    if (isOver) this.#kept.drop(fence);
    else if (simulation.ring.newest !== null) this.#keep(fence, this.#note(fence, simulation));
    this.#simulation = null;
    this.#lead = null;
    this.#leader = null;
    // What is known of the world is the best there is until somebody else tells.
    const newest = simulation.ring.newest;
    this.#followed.clear();
    if (newest !== null) {
      const copy = this.#followed.claim(newest.tick);
      copy.copy(newest);
      this.#followedFence = this.#fence;
      this.#followedAt = this.#room.clock.monotonic();
    }
    if (this.#letGo !== null && !this.#isClosed) this.#watch();
  }

  #planWatch(): void {
    this.#watchTimer?.cancel();
    this.#watchTimer = this.#room.clock.setTimer(() => {
      this.#watchTimer = null;
      if (this.#isClosed) return;
      if (this.#ticks.readers > 0 || this.#presence.local.length > 0) this.#usedAt = this.#room.clock.monotonic();
      this.#presence.sweep();
      if (this.#room.clock.monotonic() - this.#usedAt > IDLE_MS) {
        this.#end();
        return;
      }
      this.#watch();
      this.#planWatch();
    }, WATCH_MS);
  }

  /** Tells the node that leads who plays here, and that its ticks are wanted; all nodes, where it is not known which one leads. */
  #watch(): void {
    if (this.#simulation !== null) return;
    this.#room.tell("watch", { users: this.#presence.local.map((user) => ({ ...user })) }, this.#present ?? undefined);
  }

  /** Nobody plays or watches here any more. When nobody does elsewhere either, the world is over: the next one begins anew. */
  #end(): void {
    this.#watchTimer?.cancel();
    this.#watchTimer = null;
    const simulation = this.#simulation;
    const isOver = this.#presence.isEmpty && !this.#isClosed;
    if (simulation !== null && isOver) {
      for (const id of Array.from(this.#entries.keys())) simulation.leave(id);
      for (const key of Array.from(this.#things.keys())) this.#tellState(THINGS, key, null);
    }
    const letGo = this.#letGo;
    this.#letGo = null;
    // First: what is kept is kept by whoever leads.
    this.#abdicate(simulation, isOver);
    letGo?.();
    if (this.#entries.size === 0) this.#followed.clear();
  }

  // ---- leading

  #step(): void {
    const simulation = this.#ruled();
    if (simulation === null) return;
    if (simulation.tick % Math.ceil(this.#game.tick / ROLL_CALLS_PER_SECOND) === 0) this.#callRoll(simulation);
    simulation.step();
  }

  #publish(): void {
    const simulation = this.#ruled();
    if (simulation === null) return;
    const started = performance.now();
    this.#ticks.publish(simulation.tick);
    this.#tellWorld(simulation);
    this.#ticks.stepped(performance.now() - started, this.#lostSteps);
    this.#lostSteps = 0;
  }

  /** Tells the world to the nodes that follow, and leaves it to those that may. */
  #tellWorld(simulation: Simulation): void {
    const { fence } = this.#lead!;
    let note: Uint8Array | null = null;
    for (const node of this.#presence.nodes) {
      note ??= this.#note(fence, simulation);
      this.#room.tell("tick", note, node);
    }
    if (this.#kept.isDue) this.#keep(fence, note ?? this.#note(fence, simulation));
  }

  #note(fence: number, { tick }: Simulation): Uint8Array {
    return this.#frames.whole(noteHead(fence, tick));
  }

  #keep(fence: number, note: Uint8Array): void {
    this.#kept.keep(fence, note, this.#entries, this.#things);
  }

  /** Lets in who is there, and out who is not. */
  #callRoll(simulation: Simulation): void {
    this.#presence.sweep();
    for (const id of simulation.users()) if (!this.#presence.has(id)) simulation.leave(id);
    for (const newcomer of this.#presence.all()) if (!simulation.has(newcomer.id)) simulation.enter(newcomer);
  }

  #tellState(family: string, key: string, value: Json): void {
    const state = this.#room.state(family);
    try {
      if (value === null) state.remove(key);
      else void state.set(key, value);
    } catch (error) {
      this.#room.failure(`telling what is new in "${family}"`, error);
    }
    // The room may tell it later, and the next frame needs it now.
    this.stateChanged({ family, key, value, last: null });
  }

  #takeInputs(inputs: readonly SentInput[]): void {
    const now = this.#room.clock.monotonic();
    const simulation = this.#ruled();
    for (const [userId, source, seq, input] of inputs) simulation?.input(userId, source, seq, input, now);
  }

  #runCommand({ id, type, payload, from }: SentCommand, node: string): void {
    const simulation = this.#ruled();
    if (simulation === null) return;
    let error: JsonObject | null = null;
    try {
      simulation.command(type, payload, from);
    } catch (thrown) {
      error = toYamabikoError(thrown).toWire() as unknown as JsonObject;
      if (!(thrown instanceof YamabikoError)) this.#room.failure(`the game's "${type}"`, thrown);
    }
    this.#room.tell("answer", { id, error }, node);
  }

  // ---- following

  /** Another node leads: it wants to know who plays here. */
  #hearReign(fence: number, from: string): void {
    if (this.#acknowledge(fence, from) && this.isRunning) this.#watch();
  }

  /** Whether this is the newest reign. One that is newer than this node's own has ended that, whatever its clock says. */
  #acknowledge(fence: number, from: string): boolean {
    if (fence < this.#fence || (fence === this.#fence && this.#simulation !== null)) return false;
    if (fence > this.#fence) this.#abdicate(this.#simulation);
    this.#fence = fence;
    this.#leader = from;
    this.#heardAt = this.#room.clock.monotonic();
    return true;
  }

  #follow(note: Uint8Array, from: string): void {
    const { fence, tick, bits } = openNote(note);
    if (!this.#acknowledge(fence, from)) return;
    const isNew = fence > this.#followedFence;
    const { newest } = this.#followed;
    if (!isNew && newest !== null && tick <= newest.tick) return;
    if (isNew) this.#followed.clear();
    this.#decoder.decode(bits, tick, null, this.#followed.claim(tick));
    this.#followedFence = fence;
    this.#followedAt = this.#room.clock.monotonic();
    if (isNew) this.#watch();
    this.#ticks.publish(tick);
  }

  #sendInputs(): void {
    this.#gatherTimer = null;
    const inputs = this.#gathered;
    this.#gathered = [];
    const leader = this.#present;
    if (this.#ruled() !== null) this.#takeInputs(inputs);
    else if (leader !== null) this.#room.tell("inputs", inputs, leader);
  }

  #answered({ id, error }: { id: number; error: JsonObject | null }): void {
    this.#commands.get(id)?.settle(error === null ? null : YamabikoError.fromWire(error));
  }

  #know(id: string, entry: PlayerEntry | null): void {
    const before = this.#entries.get(id);
    if (before !== undefined && this.#ids.get(before.slot) === id) this.#ids.delete(before.slot);
    if (entry === null) this.#entries.delete(id);
    else {
      this.#entries.set(id, entry);
      this.#ids.set(entry.slot, id);
    }
  }
}

interface SentCommand {
  readonly id: number;
  readonly type: string;
  readonly payload: JsonObject;
  readonly from: Newcomer;
}

function notLed(): YamabikoError {
  return new YamabikoError("unavailable", "The game is moving to another node; try again.", { retryAfterMs: 500 });
}
