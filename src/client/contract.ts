import type { InputOf, OutputOf } from "../protocol/schema.ts";
import type { AckPayload } from "./message.ts";

/**
 * What a namespace says of itself that a client's types need: the messages it takes, the events and the states it sends. The
 * value of `defineNamespace` is one, so `client.join<typeof chat>("chat:lobby")` is typed end to end. Only types: nothing of
 * it reaches the bundle, and payloads are not checked in the client.
 */
export interface Contract {
  /** By type: the schema of the payload, and of what its ack adds. */
  readonly messages?: Readonly<Record<string, { readonly payload?: unknown; readonly ack?: unknown }>>;
  /** By type: the schema of the payload. */
  readonly events?: Readonly<Record<string, unknown>>;
  /** By family: the type of the envelope that tells a change. */
  readonly state?: Readonly<Record<string, { readonly event?: string }>>;
}

/** A contract, or the function that makes a namespace, as features export it. */
export type ContractSource = Contract | ((...options: never[]) => Contract);

/** The contract of a {@link ContractSource}. */
export type Resolved<Source> = Source extends ((...options: never[]) => infer C extends Contract)
  ? C
  : Source extends Contract
    ? Source
    : Contract;

/** Contracts by namespace, for `createClient<{ chat: typeof chat }>(url)`. */
export type Contracts = Readonly<Record<string, ContractSource>>;

/** The contract of a `roomId`: that of its namespace (`chat` without a colon), or the open one. */
export type ContractOf<All extends Contracts, RoomId extends string> = string extends keyof All
  ? Contract
  : (RoomId extends `${infer Namespace}:${string}` ? Namespace : "chat") extends infer Name extends keyof All
    ? Resolved<All[Name]>
    : Contract;

/** The types of message a room takes; any string when the contract is open. */
export type MessageName<C extends Contract> = C extends { readonly messages: infer M } ? keyof M & string : string;

/** The room adds its own `roomId`, so nobody has to give it. */
type WithoutRoomId<T> = T extends { roomId?: unknown } ? Omit<T, "roomId"> : T;

/** A schema of a message's definition; definitions may leave it out, and may be typed as if they had. */
type SchemaOf<C extends Contract, Name extends string, Part extends "payload" | "ack"> = C extends {
  readonly messages: infer M;
}
  ? Name extends keyof M
    ? M[Name] extends { readonly [part in Part]?: infer S }
      ? NonNullable<S>
      : unknown
    : unknown
  : unknown;

/** The payload of a message to a room. */
export type MessagePayload<C extends Contract, Name extends string> =
  InputOf<SchemaOf<C, Name, "payload">> extends infer Payload extends object ? WithoutRoomId<Payload> : object;

/** The ack of a message to a room. */
export type MessageAck<C extends Contract, Name extends string> = AckPayload & OutputOf<SchemaOf<C, Name, "ack">>;

/** What every room may send, whatever its namespace (PROTOCOL.md sections 5 and 6). */
export interface CoreEvents {
  room_users: {
    roomId: string;
    /** Of all users; `users` has at most 100. */
    count: number;
    users: { userId: string; userName: string; joinedAt: number | string }[];
  };
  user_joined: { userId: string; userName: string };
  user_left: { userId: string; userName: string; reason?: string };
  room_state: { state: Record<string, Record<string, unknown>> };
}

type StateEvent<C extends Contract> = C extends { readonly state: infer S }
  ? S[keyof S] extends { readonly event: infer Name extends string }
    ? Name
    : never
  : never;

/** The types of event a room sends; any string when the contract is open. */
export type EventName<C extends Contract> = C extends { readonly events: infer E }
  ? (keyof E & string) | StateEvent<C> | keyof CoreEvents
  : string;

/** The payload of an event. */
export type EventPayload<C extends Contract, Name extends string> = Name extends keyof CoreEvents
  ? CoreEvents[Name]
  : C extends { readonly events: infer E }
    ? Name extends keyof E
      ? OutputOf<E[Name]>
      : unknown
    : unknown;
