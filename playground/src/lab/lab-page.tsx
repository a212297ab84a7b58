import { use, useEffect, useId, useState } from "react";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext } from "../shell/language.ts";
import { Comparison, Guide } from "./comparison.tsx";
import { formatClock, formatMs } from "./format.ts";
import { type Cut, LabStore, type LabView, RATES } from "./lab-store.ts";
import { LaneCard } from "./lane-card.tsx";
import { LAB_STRINGS, type LabStrings } from "./strings.ts";
import "./lab.css";

/** One feed over every transport at once, measured side by side. */
export function LabPage() {
  const { client, token, keepSignedIn } = useConnection();
  const [store, setStore] = useState<LabStore | null>(null);

  useEffect(() => {
    const opened = new LabStore(client, { token, keepSignedIn });
    setStore(opened);
    return () => {
      opened.close();
      setStore(null);
    };
  }, [client, token, keepSignedIn]);

  return store === null ? <main className="lab" id="main" tabIndex={-1} /> : <Lab store={store} />;
}

function Lab({ store }: { store: LabStore }) {
  const { language, strings: shell } = use(LanguageContext);
  const strings = LAB_STRINGS[language];
  const view = useStore(store);
  const refused = view.lanes.find(({ status }) => status === "refused");
  const rate = view.perSecond === 0 ? strings.paused : strings.perSecond(view.perSecond ?? view.perSecondBefore);
  return (
    <main className="lab" id="main" tabIndex={-1}>
      <title>{`${strings.title} · ${shell.appName}`}</title>
      <div className="lab-inside">
        <header className="lab-head">
          <h1>{strings.title}</h1>
          <p className="muted">{strings.intro}</p>
        </header>
        {refused === undefined ? (
          <Controls store={store} view={view} strings={strings} />
        ) : (
          <div className="lab-refused" role="alert">
            <Icon name="warning" />
            <div>
              <strong>{strings.noTicker}</strong>
              <p>{strings.noTickerText}</p>
              <p className="muted">{strings.refused(refused.error ?? "")}</p>
            </div>
          </div>
        )}
        <div className="lanes">
          {view.lanes.map((lane) => (
            <LaneCard
              key={lane.transport}
              lane={lane}
              head={view.head}
              countedMs={view.countedMs}
              strings={strings}
              onCut={() => store.cut(lane.transport)}
            />
          ))}
        </div>
        <div className="lab-below">
          <Comparison lanes={view.lanes} countedMs={view.countedMs} rate={rate} strings={strings} />
          <Guide strings={strings} />
        </div>
        <section className="lab-section how" aria-labelledby="how-title">
          <h2 id="how-title">{strings.how}</h2>
          <ul>
            <li>{strings.howLatency(view.clock === null ? "?" : formatMs(view.clock.uncertainMs, strings))}</li>
            <li>{strings.howOrder}</li>
            <li>{strings.howRequests}</li>
            <li>{strings.howBodies}</li>
            <li>{strings.howHeaders}</li>
            <li>{strings.howFrames}</li>
            <li>{strings.howNot}</li>
            <li>{strings.limits}</li>
          </ul>
        </section>
      </div>
    </main>
  );
}

function Controls({ store, view, strings }: { store: LabStore; view: LabView; strings: LabStrings }) {
  const sliderId = useId();
  const isPaused = view.perSecond === 0;
  const perSecond = isPaused ? view.perSecondBefore : (view.perSecond ?? view.perSecondBefore);
  const stop = nearestStop(perSecond);
  return (
    <div className="lab-controls">
      <div className="lab-rate">
        <label htmlFor={sliderId}>{strings.rate}</label>
        <input
          id={sliderId}
          type="range"
          min={0}
          max={RATES.length - 1}
          step={1}
          value={stop}
          disabled={view.perSecond === null}
          aria-valuetext={strings.perSecondLong(perSecond)}
          title={strings.shared}
          onChange={(event) => store.setRate(RATES[Number(event.target.value)] ?? perSecond)}
        />
        <output className="lab-rate-value" htmlFor={sliderId}>
          {isPaused ? strings.paused : strings.perSecond(perSecond)}
        </output>
      </div>
      <div className="lab-buttons">
        <button
          type="button"
          className="button small"
          disabled={view.perSecond === null}
          onClick={() => (isPaused ? store.resume() : store.pause())}
        >
          <Icon name={isPaused ? "play" : "pause"} size={14} />
          {isPaused ? strings.resume : strings.pause}
        </button>
        <button type="button" className="button small" title={strings.resetHint} onClick={() => store.clear()}>
          <Icon name="reset" size={14} />
          {strings.reset}
        </button>
        <button type="button" className="button small" title={strings.cutAllHint} onClick={() => store.cutAll()}>
          <Icon name="cut" size={14} />
          {strings.cutAll}
        </button>
      </div>
      <p className="lab-note" role="status" data-good={view.cut?.isOver === true && view.cut.missed === 0}>
        {view.cut === null ? "" : cutWords(view.cut, strings)}
      </p>
      <p className="muted lab-time">{strings.counting(formatClock(view.countedMs))}</p>
    </div>
  );
}

function cutWords({ isOver, caughtUp, missed, tookMs }: Cut, strings: LabStrings): string {
  return isOver ? strings.cutDone(caughtUp, missed, (tookMs / 1_000).toFixed(1)) : strings.cutting;
}

/** The stop of the slider that is nearest to a rate. */
function nearestStop(perSecond: number): number {
  const distances = RATES.map((rate) => Math.abs(Math.log(rate / perSecond)));
  return distances.indexOf(Math.min(...distances));
}
