import type { Observer } from "./observer.ts";

/** How much has happened since the beginning. */
export interface Totals {
  /** Messages that came in. */
  received: number;
  /** Messages handed to transports, one per reader. */
  delivered: number;
  acks: number;
  /** HTTP requests. */
  requests: number;
  /** Connections that are open now. */
  connections: number;
}

/** An observer that also counts a few things for whoever asks at any time, and hands everything on. */
export function createTally(observer: Observer): { readonly observer: Observer; readonly totals: Readonly<Totals> } {
  const totals: Totals = { received: 0, delivered: 0, acks: 0, requests: 0, connections: 0 };
  const counting: Observer = {
    ...observer,
    connectionOpened(transport) {
      totals.connections++;
      observer.connectionOpened(transport);
    },
    connectionClosed(closing) {
      totals.connections--;
      observer.connectionClosed(closing);
    },
    messageReceived(bytes) {
      totals.received++;
      observer.messageReceived(bytes);
    },
    acknowledged(result) {
      totals.acks++;
      observer.acknowledged(result);
    },
    delivered(count, bytes) {
      totals.delivered += count;
      observer.delivered(count, bytes);
    },
    requested() {
      totals.requests++;
      observer.requested();
    },
  };
  return { observer: counting, totals };
}
