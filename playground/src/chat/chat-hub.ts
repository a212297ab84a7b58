import type { ConnectionStore } from "../connection/connection-store.ts";
import { Emitter } from "./emitter.ts";
import { fieldsOf, numeric, text } from "./message.ts";
import type { RoomLink } from "./room-link.ts";
import { RoomStore } from "./room-store.ts";
import { roomTitle } from "./room-view.ts";

/** A line of the room list. */
export interface RoomSummary {
  readonly roomId: string;
  readonly title: string;
  readonly unread: number;
  readonly mentions: number;
}

/** What the hub needs of the client. */
export interface HubClient {
  join(roomId: string, options: { limit: number }): RoomLink;
  emitWithAck(type: "list_rooms", payload: Record<string, never>): Promise<unknown>;
  on(type: "connected", run: () => void): () => void;
}

/** The room everybody starts in. */
export const LOBBY = "chat:lobby";

/** Rooms of the list that are followed live; those beyond keep the count they had at the last sign of life. */
const LIVE_ROOMS = 20;
const FIRST_PAGE = 50;
const OPEN_KEY = "yamabiko.rooms";
const LEFT_KEY = "yamabiko.left";

/** The rooms of one user: opens them, follows them for the badges, and keeps the list. */
export class ChatHub extends Emitter<readonly RoomSummary[]> {
  readonly #client: HubClient;
  readonly #me: string;
  readonly #connection: ConnectionStore;
  readonly #rooms = new Map<string, RoomStore>();
  /** Rooms of the list that are not open. */
  readonly #listed = new Map<string, RoomSummary>();
  /** Rooms this window left: the server's list does not bring them back. */
  readonly #left: Set<string>;

  constructor(client: HubClient, me: string, connection: ConnectionStore) {
    super([]);
    this.#client = client;
    this.#me = me;
    this.#connection = connection;
    this.#left = new Set(storedRooms(LEFT_KEY, me));
    this.room(LOBBY);
    for (const roomId of storedRooms(OPEN_KEY, me).slice(0, LIVE_ROOMS)) this.room(roomId);
    client.on("connected", () => void this.refresh());
  }

  /** The room, joined when it was not yet. */
  room(roomId: string): RoomStore {
    let store = this.#rooms.get(roomId);
    if (store === undefined) {
      const link = this.#client.join(roomId, { limit: FIRST_PAGE });
      store = new RoomStore(link, this.#me, this.#connection);
      this.#rooms.set(roomId, store);
      this.#listed.delete(roomId);
      if (this.#left.delete(roomId)) storeRooms(LEFT_KEY, this.#me, this.#left);
      store.subscribe(() => this.#summarize());
      this.#summarize();
    }
    return store;
  }

  /** Takes the room off the list of this window, until it is entered again. The lobby stays. */
  leave(roomId: string): void {
    if (roomId === LOBBY) return;
    this.#left.add(roomId);
    storeRooms(LEFT_KEY, this.#me, this.#left);
    const store = this.#rooms.get(roomId);
    this.#rooms.delete(roomId);
    this.#listed.delete(roomId);
    store?.leave();
    this.#summarize();
  }

  /** Asks the server for the rooms this user has a mark in. What it cannot tell now, the next connection will. */
  async refresh(): Promise<void> {
    try {
      const ack = fieldsOf(await this.#client.emitWithAck("list_rooms", {}));
      for (const entry of Array.isArray(ack.rooms) ? ack.rooms : []) this.#list(fieldsOf(entry));
      this.#summarize();
    } catch {
      // The list stays as it is.
    }
  }

  #list(fields: Readonly<Record<string, unknown>>): void {
    const roomId = text(fields.roomId);
    if (roomId === "" || this.#rooms.has(roomId) || this.#left.has(roomId)) return;
    if (this.#rooms.size < LIVE_ROOMS) {
      this.room(roomId);
      return;
    }
    const counts = { unread: numeric(fields.unread) ?? 0, mentions: numeric(fields.mentions) ?? 0 };
    this.#listed.set(roomId, { roomId, title: roomTitle(roomId), ...counts });
  }

  #summarize(): void {
    const open = [...this.#rooms].map(([roomId, store]) => ({ roomId, title: roomTitle(roomId), ...store.unread() }));
    const next = [...open, ...this.#listed.values()].sort(byTitle);
    if (JSON.stringify(next) === JSON.stringify(this.getSnapshot())) return;
    storeRooms(OPEN_KEY, this.#me, this.#rooms.keys());
    this.set(next);
  }
}

/** The lobby first, then by name. */
function byTitle(a: RoomSummary, b: RoomSummary): number {
  if (a.roomId === LOBBY) return -1;
  if (b.roomId === LOBBY) return 1;
  return a.title.localeCompare(b.title);
}

/** The rooms that were open (or left) before a reload: what was written there offline must find its way without the server's list. */
function storedRooms(key: string, me: string): string[] {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(`${key}.${me}`) ?? "[]");
    return Array.isArray(stored) ? stored.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

function storeRooms(key: string, me: string, roomIds: Iterable<string>): void {
  try {
    sessionStorage.setItem(`${key}.${me}`, JSON.stringify([...roomIds]));
  } catch {
    // The server's list will do.
  }
}
