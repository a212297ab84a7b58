import { type JsonObject, parseRoomId, type RoomAddress } from "../protocol/index.ts";
import type { Room } from "../room/room.ts";
import type {
  Context,
  Draft,
  DraftOptions,
  FoundEvent,
  Right,
  RoomFeature,
  RoomView,
  Saved,
  StateView,
  User,
} from "./namespace.ts";
import type { OwnedState } from "./owned-state.ts";
import { featureOf, kindOf } from "./room-kind.ts";
import type { Services } from "./services.ts";
import type { Session } from "./session.ts";
import { viewRoom, viewState } from "./view.ts";

/** How long a value stays that was set by a request, whose end says nothing, where the family has no lease, ms. */
const REQUEST_LEASE_MS = 30_000;

/** What a handler has in hand, for one message of one session. */
export class HandlerContext implements Context {
  readonly user: User;
  readonly connectionId: string;
  readonly roomId: string;
  readonly type: string;
  readonly messageId: string | null;
  readonly now: number;
  readonly #session: Session;
  readonly #services: Services;
  readonly #address: RoomAddress | null;
  readonly #room: Room | null;
  readonly #owned: OwnedState | null;
  #view: RoomView | null = null;

  constructor(
    session: Session,
    services: Services,
    message: { type: string; messageId?: string },
    address: RoomAddress | null,
    room: Room | null,
    owned: OwnedState | null,
  ) {
    this.user = session.user!;
    this.connectionId = session.id;
    this.roomId = address?.roomId ?? "";
    this.type = message.type;
    this.messageId = message.messageId ?? null;
    this.now = services.clock.now();
    this.#session = session;
    this.#services = services;
    this.#address = address;
    this.#room = room;
    this.#owned = owned;
  }

  get room(): RoomView {
    this.#view ??= viewRoom(this.#inRoom());
    return this.#view;
  }

  get feature(): RoomFeature | null {
    return featureOf(this.#inRoom());
  }

  event(type: string, payload: JsonObject, options: DraftOptions = {}): Draft {
    this.#inRoom();
    return { kind: "draft", type, payload, options };
  }

  saved(place: FoundEvent, ack: JsonObject = {}): Saved {
    return { kind: "saved", place, ack };
  }

  signal(type: string, payload: JsonObject): void {
    this.#inRoom().signal(type, payload);
  }

  reply(type: string, payload: JsonObject): void {
    this.#session.send(type, payload, this.#address?.roomId);
  }

  can(right: Right): boolean | Promise<boolean> {
    return this.#address !== null && this.#services.can(this.user, this.#address, right);
  }

  state(family: string): StateView {
    const isOwned = this.#session.connection.isDuplex;
    return viewState(this.#inRoom(), family, this.#owned, isOwned ? undefined : REQUEST_LEASE_MS);
  }

  marks(family: string): Promise<Map<string, number>> {
    return this.#services.rooms.marksOf(this.user.id, family);
  }

  async visit(roomId: string): Promise<RoomView | null> {
    const address = parseRoomId(roomId);
    const namespace = this.#services.namespaces.get(address.namespace);
    if (namespace === undefined || !(await this.#services.can(this.user, address, "read"))) return null;
    return viewRoom(await this.#services.rooms.open(address.roomId, kindOf(namespace)));
  }

  #inRoom(): Room {
    if (this.#room === null) throw new TypeError(`"${this.type}" is about no room`);
    return this.#room;
  }
}
