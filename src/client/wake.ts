/** What the platform tells about the network and the page. */
export interface WakeEvents {
  /** The network is back, or the page is looked at again: try at once, and do not trust an old socket. */
  woke(): void;
  /** The network seems gone. Only a hint: local networks and VPNs are often misjudged. */
  wentOffline(): void;
}

/** Listens to `online`, `offline` and `visibilitychange` where they exist (not in Node). Returns the function that stops it. */
export function watchWake({ woke, wentOffline }: WakeEvents): () => void {
  const { addEventListener, document } = globalThis as Partial<typeof globalThis>;
  // Has the member `signal`, and so is what a listener's options are.
  const stop = new AbortController();
  addEventListener?.("online", woke, stop);
  addEventListener?.("offline", wentOffline, stop);
  document?.addEventListener("visibilitychange", () => void (document.hidden || woke()), stop);
  return () => stop.abort();
}
