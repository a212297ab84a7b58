/** What the platform tells about the network and the page. */
export interface WakeEvents {
  /** The network is back, or the page is looked at again: try at once, and do not trust an old socket. */
  woke(): void;
  /** The network seems gone. Only a hint: local networks and VPNs are often misjudged. */
  wentOffline(): void;
}

/** Listens to `online`, `offline` and `visibilitychange` where they exist (not in Node). Returns the function that stops it. */
export function watchWake(events: WakeEvents): () => void {
  const { addEventListener, document } = globalThis as Partial<typeof globalThis>;
  if (addEventListener === undefined) return () => {};
  const onVisible = (): void => {
    if (document?.visibilityState === "visible") events.woke();
  };
  const pairs: [EventTarget | undefined, string, () => void][] = [
    [globalThis as unknown as EventTarget, "online", () => events.woke()],
    [globalThis as unknown as EventTarget, "offline", () => events.wentOffline()],
    [document, "visibilitychange", onVisible],
  ];
  for (const [target, name, run] of pairs) target?.addEventListener(name, run);
  return () => {
    for (const [target, name, run] of pairs) target?.removeEventListener(name, run);
  };
}
