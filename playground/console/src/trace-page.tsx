import { type FormEvent, useEffect, useRef, useState } from "react";
import { formatHash } from "../../src/shell/hash-route.ts";
import type { TraceEntry } from "./api.ts";
import { formatBytes, formatNumber, formatTime } from "./format.ts";
import { useLocale, useStrings } from "./language.tsx";
import { Placeholder } from "./notes.tsx";
import { useOperator } from "./operator.tsx";

/** How many messages are shown. */
const MOST = 500;

interface Target {
  readonly kind: "user" | "room";
  readonly name: string;
  readonly payloads: boolean;
}

interface Shown extends TraceEntry {
  readonly key: number;
}

/** What a user sends and is answered, or what happens in a room. `rest` is `user:NAME` or `room:NAME`; with it the trace begins. */
export function TracePage({ rest }: { rest: string }) {
  const strings = useStrings();
  const [kind, name] = rest.startsWith("room:")
    ? (["room", rest.slice(5)] as const)
    : (["user", rest.replace(/^user:/, "")] as const);
  return (
    <div className="console-inside">
      <h1 className="console-heading">{strings.trace}</h1>
      <p className="muted">{strings.traceIntro}</p>
      <Trace key={rest} kind={kind} name={name} />
    </div>
  );
}

function Trace(first: { kind: "user" | "room"; name: string }) {
  const strings = useStrings();
  const locale = useLocale();
  const [kind, setKind] = useState(first.kind);
  const [name, setName] = useState(first.name);
  const [payloads, setPayloads] = useState(false);
  const target = first.name === "" ? null : { ...first, payloads };
  const { entries, dropped, problem, isPaused, setPaused, clear } = useTrace(target);
  const start = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() !== "") window.location.hash = formatHash("trace", `${kind}:${name.trim()}`);
  };
  return (
    <>
      <form className="console-controls" onSubmit={start}>
        <select
          className="field"
          aria-label={strings.traceWhat}
          value={kind}
          onChange={(event) => setKind(event.target.value as "user")}
        >
          <option value="user">{strings.traceOfUser}</option>
          <option value="room">{strings.traceOfRoom}</option>
        </select>
        <input
          className="field"
          aria-label={strings.traceName}
          placeholder={kind === "user" ? "ada" : "chat:lobby"}
          value={name}
          maxLength={255}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="button primary" disabled={name.trim() === ""}>
          {strings.start}
        </button>
        {target === null ? null : (
          <>
            <a className="button" href="#/trace">
              {strings.stop}
            </a>
            <button type="button" className="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
              {isPaused ? strings.resume : strings.pause}
            </button>
            <button type="button" className="button" onClick={clear}>
              {strings.clear}
            </button>
          </>
        )}
        <label className="console-check" title={strings.payloadWarning}>
          <input type="checkbox" checked={payloads} onChange={(event) => setPayloads(event.target.checked)} />
          {strings.withPayloads}
        </label>
      </form>
      {problem === null ? null : (
        <p className="dashboard-note" role="alert">
          {strings.traceFailed(problem)}
        </p>
      )}
      {entries.length === 0 ? (
        <Placeholder isLoading={false} text={target === null ? strings.notStarted : strings.waiting(first.name)} />
      ) : (
        <div className="console-scroll">
          <table className="console-table console-log" aria-label={strings.trace}>
            <thead>
              <tr>
                <th scope="col">{strings.time}</th>
                <th scope="col" />
                <th scope="col">{strings.event}</th>
                <th scope="col">{strings.room}</th>
                <th scope="col" className="number">
                  seq
                </th>
                <th scope="col" className="number">
                  {strings.size}
                </th>
                <th scope="col" className="number">
                  {strings.took}
                </th>
                {payloads ? <th scope="col">{strings.payload}</th> : null}
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr key={entry.key} data-error={entry.error !== null}>
                  <td className="console-nowrap">{formatTime(entry.at, locale)}</td>
                  <td>
                    <span className="console-badge" data-direction={entry.direction}>
                      {strings.direction[entry.direction]}
                    </span>
                  </td>
                  <td>
                    <code>{entry.type}</code>
                    {entry.error === null ? null : (
                      <span className="console-badge" data-kind="bad">
                        {entry.error}
                      </span>
                    )}
                  </td>
                  <td>{entry.roomId ?? "–"}</td>
                  <td className="number">{entry.seq ?? "–"}</td>
                  <td className="number">{formatBytes(entry.bytes, locale)}</td>
                  <td className="number">
                    {entry.durationMs === null ? "–" : `${formatNumber(entry.durationMs, locale, 1)} ms`}
                  </td>
                  {payloads ? (
                    <td>
                      <code className="console-payload">{entry.payload}</code>
                    </td>
                  ) : null}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {dropped > 0 ? <p className="muted console-small">{strings.dropped(formatNumber(dropped, locale))}</p> : null}
    </>
  );
}

/** Joins the room of a trace while there is something to trace. The newest message comes first. */
function useTrace(target: Target | null) {
  const { client } = useOperator();
  const [entries, setEntries] = useState<readonly Shown[]>([]);
  const [dropped, setDropped] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [isPaused, setPaused] = useState(false);
  const pausedNow = useRef(isPaused);
  pausedNow.current = isPaused;
  const counter = useRef(0);
  const { kind, name, payloads } = target ?? { kind: "user", name: "", payloads: false };
  useEffect(() => {
    setProblem(null);
    if (name === "") return;
    // A room of its own: two operators look at different things.
    const room = client.join(`admin:trace-${crypto.randomUUID()}`, { [kind]: name, payloads });
    room.on("failed", (error) => setProblem((error as Error).message));
    room.on("traced", (payload) => {
      const told = payload as { entries: readonly TraceEntry[]; dropped: number };
      if (pausedNow.current) return;
      if (told.dropped > 0) setDropped((before) => before + told.dropped);
      const fresh = told.entries.map((entry) => ({ ...entry, key: counter.current++ })).toReversed();
      setEntries((before) => [...fresh, ...before].slice(0, MOST));
    });
    return () => room.leave();
  }, [client, kind, name, payloads]);
  const clear = (): void => {
    setEntries([]);
    setDropped(0);
  };
  return { entries, dropped, problem, isPaused, setPaused, clear };
}
