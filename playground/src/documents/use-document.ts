import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Client } from "yamabiko/client";
import {
  type DocumentStorage,
  openDocument,
  type SharedDocument,
  type StoredDocument,
} from "yamabiko/client/documents";

/** Keeps what was not acknowledged in this window, over a reload. */
function windowStorage(user: string): DocumentStorage {
  const keyOf = (id: string): string => `yamabiko.document.${user}.${id}`;
  return {
    load(id) {
      const text = sessionStorage.getItem(keyOf(id));
      return text === null ? null : (JSON.parse(text) as StoredDocument);
    },
    save(id, stored) {
      if (stored === null) sessionStorage.removeItem(keyOf(id));
      else sessionStorage.setItem(keyOf(id), JSON.stringify(stored));
    },
  };
}

/** A document for as long as the component is there; null before the first effect. */
export function useDocument(client: Client, user: string, documentId: string): SharedDocument | null {
  const [opened, setOpened] = useState<SharedDocument | null>(null);
  useEffect(() => {
    const document = openDocument(client, documentId, { storage: windowStorage(user) });
    setOpened(document);
    return () => {
      setOpened(null);
      document.close();
    };
  }, [client, user, documentId]);
  return opened;
}

/** Renders again whenever the document tells something. */
export function useDocumentEvents(
  document: SharedDocument | null,
  ...names: ("change" | "status" | "carets")[]
): number {
  const ticks = useRef(0);
  const key = names.join();
  const subscribe = useMemo(
    () => (changed: () => void) => {
      if (document === null) return () => {};
      const tell = (): void => {
        ticks.current += 1;
        changed();
      };
      const stops = (key.split(",") as ("change" | "status" | "carets")[]).map((name) => document.on(name, tell));
      return () => {
        for (const stop of stops) stop();
      };
    },
    [document, key],
  );
  return useSyncExternalStore(subscribe, () => ticks.current);
}
