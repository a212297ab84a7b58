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

/** The rooms of one user: opens them, follows them for the badges, and keeps the list. */
export class ChatHub extends Emitter<readonly RoomSummary[]> {
  readonly #client: HubClient;
  readonly #me: string;
  readonly #connection: ConnectionStore;
  readonly #rooms = new Map<string, RoomStore>();
  /** Rooms of the list that are not open. */
  readonly #listed = new Map<string, RoomSummary>();

  constructor(client: HubClient, me: string, connection: ConnectionStore) {
    super([]);
    this.#client = client;
    this.#me = me;
    this.#connection = connection;
    this.room(LOBBY);
    for (const roomId of storedRooms(me)) this.room(roomId);
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
      store.subscribe(() => this.#summarize());
      this.#summarize();
    }
    return store;
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
    if (roomId === "" || this.#rooms.has(roomId)) return;
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
    storeRooms(this.#me, [...this.#rooms.keys()]);
    this.set(next);
  }
}

/** The lobby first, then by name. */
function byTitle(a: RoomSummary, b: RoomSummary): number {
  if (a.roomId === LOBBY) return -1;
  if (b.roomId === LOBBY) return 1;
  return a.title.localeCompare(b.title);
}

/** The rooms that were open before a reload: what was written there offline must find its way without the server's list. */
function storedRooms(me: string): string[] {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(`yamabiko.rooms.${me}`) ?? "[]");
    return Array.isArray(stored) ? stored.filter((one) => typeof one === "string").slice(0, LIVE_ROOMS) : [];
  } catch {
    return [];
  }
}

function storeRooms(me: string, roomIds: readonly string[]): void {
  try {
    sessionStorage.setItem(`yamabiko.rooms.${me}`, JSON.stringify(roomIds));
  } catch {
    // The server's list will do.
  }
}
