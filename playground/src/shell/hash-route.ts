import { useSyncExternalStore } from "react";

/** Where the page is: `#/<page>/<rest>`. */
export interface Route {
  readonly page: string;
  readonly rest: string;
}

/** Reads a location hash. A hash that cannot be decoded is taken as it stands. */
export function parseHash(hash: string): Route {
  const path = hash.replace(/^#\/?/, "");
  const slash = path.indexOf("/");
  const page = slash === -1 ? path : path.slice(0, slash);
  const rest = slash === -1 ? "" : path.slice(slash + 1);
  try {
    return { page, rest: decodeURIComponent(rest) };
  } catch {
    return { page, rest };
  }
}

/** The hash of a route. */
export function formatHash(page: string, rest = ""): string {
  return rest === "" ? `#/${page}` : `#/${page}/${encodeURIComponent(rest)}`;
}

/** The route the page is at, followed live. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(followHash, () => window.location.hash);
  return parseHash(hash);
}

function followHash(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}
