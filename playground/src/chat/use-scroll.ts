import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** This close to the end counts as the end, in pixels. */
const NEAR_END = 48;
/** This close to the top asks for what came before. */
const NEAR_TOP = 240;

/** A line that is shown on purpose has this much above it. */
const LINE_MARGIN = 80;

/** The scrolling of a list that grows at both ends. */
export interface Scroll {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly atBottom: boolean;
  /** The newest message when the end was left. */
  readonly leftAt: number;
  onScroll(): void;
  toLatest(): void;
  /** Shows the first element that matches if it lies above what is shown; what comes after `after` counts as new then. */
  showAbove(selector: string, after: number): void;
  /** Asks for what came before if the top is near. */
  lookUp(): void;
}

/**
 * Stays at the end while the end is shown; otherwise keeps what is shown where it is, whatever is added above or below.
 * `first` and `newest` name the ends of what is loaded.
 */
export function useScroll(props: { first: number; newest: number; loadEarlier: () => void }): Scroll {
  const { first, newest, loadEarlier } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const fromEnd = useRef(0);
  const lastTop = useRef(0);
  const shownFirst = useRef(first);
  const shownNewest = useRef(newest);
  const [atBottom, setAtBottom] = useState(true);
  const [leftAt, setLeftAt] = useState(newest);

  const note = useCallback((element: HTMLDivElement) => {
    fromEnd.current = element.scrollHeight - element.scrollTop;
    lastTop.current = element.scrollTop;
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const grewAbove = first !== shownFirst.current;
    shownFirst.current = first;
    shownNewest.current = newest;
    if (pinned.current) element.scrollTop = element.scrollHeight;
    else if (grewAbove) element.scrollTop = element.scrollHeight - fromEnd.current;
    note(element);
  }, [first, newest, note]);

  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (element === null || inner === null) return;
    const observer = new ResizeObserver(() => {
      if (pinned.current) element.scrollTop = element.scrollHeight;
      note(element);
    });
    observer.observe(element);
    observer.observe(inner);
    return () => observer.disconnect();
  }, [note]);

  const lookUp = useCallback(() => {
    const element = scroller.current;
    if (element !== null && element.scrollTop < NEAR_TOP) loadEarlier();
  }, [loadEarlier]);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    // Only a reader leaves the end: a window or composer that grew moves the end away, but scrolls nothing up.
    const stayed = pinned.current && element.scrollTop >= lastTop.current;
    if (stayed) element.scrollTop = element.scrollHeight;
    note(element);
    const near = stayed || fromEnd.current - element.clientHeight < NEAR_END;
    if (pinned.current && !near) setLeftAt(shownNewest.current);
    pinned.current = near;
    setAtBottom(near);
    lookUp();
  }, [lookUp, note]);

  const toLatest = useCallback(() => {
    const element = scroller.current;
    pinned.current = true;
    setAtBottom(true);
    if (element !== null) element.scrollTop = element.scrollHeight;
  }, []);

  const showAbove = useCallback(
    (selector: string, after: number) => {
      const element = scroller.current;
      const row = element?.querySelector(selector);
      if (element === null || row === null || row === undefined) return;
      const above = row.getBoundingClientRect().top - element.getBoundingClientRect().top - LINE_MARGIN;
      if (above >= 0) return;
      pinned.current = false;
      setAtBottom(false);
      setLeftAt(after);
      element.scrollTop += above;
      note(element);
    },
    [note],
  );

  return { scroller, content, atBottom, leftAt, onScroll, toLatest, showAbove, lookUp };
}
