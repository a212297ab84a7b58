import { use, useEffect, useMemo, useState } from "react";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { formatHash } from "../shell/hash-route.ts";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext, localeOf } from "../shell/language.ts";
import type { PageProps } from "../shell/pages.tsx";
import { DashboardStore, type DashboardView, WINDOWS, type WindowName } from "./dashboard-store.ts";
import { PanelCard } from "./panel-card.tsx";
import { type Panel, panelsOf, SYSTEM } from "./panels.ts";
import { PublishForm } from "./publish-form.tsx";
import { DASHBOARD_STRINGS, type DashboardStrings } from "./strings.ts";
import { storedThresholds, withThreshold } from "./thresholds.ts";
import { Tiles } from "./tiles.tsx";
import { useDashboards } from "./use-dashboards.ts";
import "./dashboard.css";

const NAMES = Object.keys(WINDOWS) as WindowName[];

/** A dashboard, live: the one the address names, or the server's own. */
export function DashboardPage({ rest }: PageProps) {
  const name = rest === "" ? SYSTEM : rest;
  const { client, token } = useConnection();
  const { language, strings: shell } = use(LanguageContext);
  const strings = DASHBOARD_STRINGS[language];
  const [window, setWindow] = useState<WindowName>("m1");
  const [store, setStore] = useState<DashboardStore | null>(null);
  const [listed, askForList] = useDashboards(token);

  useEffect(() => {
    const opened = new DashboardStore(client, name, window);
    setStore(opened);
    return () => {
      opened.close();
      setStore(null);
    };
  }, [client, name, window]);

  const names = Array.from(new Set([SYSTEM, ...listed.map((one) => one.name), name]));
  return (
    <main className="dashboard" id="main" tabIndex={-1}>
      <title>{`${name} · ${strings.title} · ${shell.appName}`}</title>
      <div className="dashboard-inside">
        <header className="dashboard-head">
          <h1>{strings.title}</h1>
          <p className="muted">{strings.intro}</p>
        </header>
        <nav className="dashboard-names" aria-label={strings.choose}>
          {names.map((one) => (
            <a key={one} href={formatHash("dashboard", one)} aria-current={one === name ? "page" : undefined}>
              {one}
            </a>
          ))}
        </nav>
        {store === null ? (
          <div className="dashboard-body" aria-busy="true" />
        ) : (
          <Live
            key={`${name} ${window}`}
            name={name}
            store={store}
            window={window}
            onWindow={setWindow}
            strings={strings}
          />
        )}
        <PublishForm shown={name} onPublished={askForList} strings={strings} />
      </div>
    </main>
  );
}

function Live(props: {
  name: string;
  store: DashboardStore;
  window: WindowName;
  onWindow: (window: WindowName) => void;
  strings: DashboardStrings;
}) {
  const { name, store, window, onWindow, strings } = props;
  const { language } = use(LanguageContext);
  const locale = localeOf(language);
  const connection = useStore(useConnection().store);
  const newest = useStore(store);
  const [frozen, setFrozen] = useState<DashboardView | null>(null);
  const [thresholds, setThresholds] = useState(storedThresholds);
  const view = frozen ?? newest;
  const names = view.series.map((one) => one.name).join("\n");
  const panels = useMemo(() => panelsOf(name, names === "" ? [] : names.split("\n")), [name, names]);
  const thresholdOf = ({ id }: Panel): number | null => thresholds[`${name}/${id}`] ?? null;
  const isAbove = (panel: Panel, value: number | null): boolean => {
    const threshold = thresholdOf(panel);
    return threshold !== null && value !== null && value > threshold;
  };
  const isOffline = connection.status !== "connected" && connection.before;
  const { last, resolution } = WINDOWS[window];
  const spanSeconds = last * (resolution === "1s" ? 1 : 10);
  const status = frozen !== null ? "frozen" : isOffline ? "offline" : newest.status;
  return (
    <div className="dashboard-body">
      <div className="dashboard-controls">
        <div className="segments" role="radiogroup" aria-label={strings.window}>
          {NAMES.map((one) => (
            <label key={one} data-on={one === window}>
              <input
                type="radio"
                name="dashboard-window"
                className="hidden"
                checked={one === window}
                onChange={() => onWindow(one)}
              />
              {strings.windows[one]}
            </label>
          ))}
        </div>
        <button
          type="button"
          className="button small"
          aria-pressed={frozen !== null}
          title={strings.pauseHint}
          onClick={() => setFrozen(frozen === null ? newest : null)}
        >
          <Icon name={frozen === null ? "pause" : "play"} size={14} />
          {frozen === null ? strings.pause : strings.resume}
        </button>
        <p className="dashboard-status" role="status" data-status={status}>
          <span className="dashboard-dot" aria-hidden="true" />
          {strings.status[status]}
        </p>
        <p className="muted dashboard-updated">
          {view.updatedAt === null ? "" : strings.updated(new Date(view.updatedAt).toLocaleTimeString(locale))}
        </p>
      </div>
      {isOffline ? (
        <p className="dashboard-note" role="status">
          <Icon name="cut" size={16} />
          {strings.offline}
        </p>
      ) : null}
      {panels.length > 0 ? (
        <>
          <Tiles
            dashboard={name}
            panels={panels}
            series={view.series}
            isAbove={isAbove}
            locale={locale}
            strings={strings}
          />
          <div className="panels">
            {panels.map((panel) => (
              <PanelCard
                key={panel.id}
                dashboard={name}
                panel={panel}
                view={view}
                spanSeconds={spanSeconds}
                threshold={thresholdOf(panel)}
                onThreshold={(threshold) =>
                  setThresholds((all) => withThreshold(all, `${name}/${panel.id}`, threshold))
                }
                locale={locale}
                strings={strings}
              />
            ))}
          </div>
        </>
      ) : (
        <Nothing name={name} view={view} strings={strings} />
      )}
    </div>
  );
}

function Nothing({ name, view, strings }: { name: string; view: DashboardView; strings: DashboardStrings }) {
  if (view.status === "failed") {
    return (
      <div className="dashboard-nothing" role="alert">
        <Icon name="warning" size={22} />
        <strong>{strings.refused(view.error ?? "")}</strong>
      </div>
    );
  }
  if (view.status !== "live" || name === SYSTEM) {
    return (
      <div className="dashboard-nothing" aria-busy="true">
        <p className="muted">{strings.loading}</p>
      </div>
    );
  }
  return (
    <div className="dashboard-nothing">
      <strong>{strings.empty}</strong>
      <p className="muted">{strings.emptyText}</p>
      <code>{`curl -d '{"orders": 12}' -H 'Content-Type: application/json' ${location.origin}/api/dashboards/${encodeURIComponent(name)}`}</code>
    </div>
  );
}
