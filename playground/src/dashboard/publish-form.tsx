import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { formatHash } from "../shell/hash-route.ts";
import { Icon } from "../shell/icon.tsx";
import { publishMetrics } from "./dashboards-api.ts";
import { SYSTEM } from "./panels.ts";
import type { DashboardStrings } from "./strings.ts";

const EVERY_MS = 1_000;

type Outcome = { readonly kind: "taken" | "failed"; readonly words: string };

/** Publishes a series to any dashboard, once or every second. */
export function PublishForm(props: { shown: string; onPublished: () => void; strings: DashboardStrings }) {
  const { shown, onPublished, strings } = props;
  const [name, setName] = useState(shown === SYSTEM ? "shop" : shown);
  const [series, setSeries] = useState("orders");
  const [value, setValue] = useState("12");
  const [isRunning, setRunning] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const ids = { name: useId(), series: useId(), value: useId() };
  const last = useRef(0);

  const publish = async (number: number): Promise<boolean> => {
    try {
      await publishMetrics(name, { [series]: number });
      last.current = number;
      setOutcome({ kind: "taken", words: strings.published(series, String(number)) });
      onPublished();
      return true;
    } catch (error) {
      setOutcome({ kind: "failed", words: strings.failed(error instanceof Error ? error.message : String(error)) });
      return false;
    }
  };

  const publishing = useRef(publish);
  useEffect(() => {
    publishing.current = publish;
  });
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(async () => {
      const size = Math.max(1, Math.abs(last.current));
      const next = Math.round((last.current + (Math.random() - 0.5) * size * 0.2) * 100) / 100;
      if (!(await publishing.current(next))) setRunning(false);
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [isRunning]);

  useEffect(() => {
    // What is being published goes on where it is.
    if (!isRunning && shown !== SYSTEM) setName(shown);
  }, [isRunning, shown]);

  const read = (): number | null => {
    const number = value.trim() === "" ? Number.NaN : Number(value);
    if (Number.isFinite(number)) return number;
    setOutcome({ kind: "failed", words: strings.valueBad });
    return null;
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const number = read();
    if (number !== null) void publish(number);
  };
  const toggle = async (): Promise<void> => {
    if (isRunning) return setRunning(false);
    const number = read();
    if (number !== null) setRunning(await publish(number));
  };

  return (
    <section className="dashboard-card" aria-labelledby="publish-title">
      <h2 id="publish-title">{strings.publish}</h2>
      <p className="muted">{strings.publishText}</p>
      <form onSubmit={submit} noValidate>
        <div className="publish-fields">
          <div>
            <label className="field-label" htmlFor={ids.name}>
              {strings.name}
            </label>
            <input id={ids.name} className="field" value={name} onChange={(event) => setName(event.target.value)} />
          </div>
          <div>
            <label className="field-label" htmlFor={ids.series}>
              {strings.seriesName}
            </label>
            <input
              id={ids.series}
              className="field"
              value={series}
              onChange={(event) => setSeries(event.target.value)}
            />
          </div>
          <div>
            <label className="field-label" htmlFor={ids.value}>
              {strings.value}
            </label>
            <input
              id={ids.value}
              className="field"
              inputMode="decimal"
              aria-invalid={outcome?.words === strings.valueBad}
              value={value}
              onChange={(event) => setValue(event.target.value)}
            />
          </div>
        </div>
        <div className="publish-foot">
          <button type="submit" className="button primary">
            <Icon name="send" size={16} />
            {strings.once}
          </button>
          <button type="button" className="button" aria-pressed={isRunning} title={strings.walkHint} onClick={toggle}>
            <Icon name={isRunning ? "pause" : "play"} size={16} />
            {isRunning ? strings.stopIt : strings.keepOn}
          </button>
          {name === shown || name === "" ? null : (
            <a className="publish-show" href={formatHash("dashboard", name)}>
              {strings.show(name)}
            </a>
          )}
          <p className="publish-outcome" role="status" data-kind={outcome?.kind}>
            {outcome?.words}
          </p>
        </div>
      </form>
    </section>
  );
}
