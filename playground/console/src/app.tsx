import { useCallback, useEffect, useMemo, useState } from "react";
import { type Client, createClient } from "yamabiko/client";
import { useRoute } from "../../src/shell/hash-route.ts";
import { Icon, type IconName } from "../../src/shell/icon.tsx";
import { Logo } from "../../src/shell/logo.tsx";
import { AnnounceDialog } from "./announce-dialog.tsx";
import { ApiError, act, ask } from "./api.ts";
import { ConnectionsPage } from "./connections-page.tsx";
import { LanguageContext, storedLanguage, storeLanguage, useStrings } from "./language.tsx";
import { LoginCard } from "./login-card.tsx";
import { type Operator, OperatorContext } from "./operator.tsx";
import { OverviewPage } from "./overview-page.tsx";
import { RoomsPage } from "./rooms-page.tsx";
import type { Language } from "./strings.ts";
import { LanguageSwitch, ThemeSwitch } from "./switches.tsx";
import { TracePage } from "./trace-page.tsx";

/** How long something is said, ms. */
const TOAST_MS = 5_000;

const PAGES = [
  { id: "overview", icon: "gauge", View: OverviewPage },
  { id: "connections", icon: "people", View: ConnectionsPage },
  { id: "rooms", icon: "chat", View: RoomsPage },
  { id: "trace", icon: "lab", View: TracePage },
] as const satisfies readonly { id: string; icon: IconName; View: (props: { rest: string }) => unknown }[];

type LoginState = "unknown" | "out" | "expired" | "in";

/** The console: the login, then the page that the address names. */
export function App() {
  const [language, setLanguage] = useState<Language>(storedLanguage);
  const [login, setLogin] = useState<LoginState>("unknown");
  const choice = useMemo(() => ({ language, choose: setLanguage }), [language]);
  useEffect(() => storeLanguage(language), [language]);
  useEffect(() => {
    ask("/api/session").then(
      () => setLogin("in"),
      (error: unknown) => setLogin(error instanceof ApiError && error.status === 401 ? "out" : "in"),
    );
  }, []);
  return (
    <LanguageContext value={choice}>
      {login === "unknown" ? (
        <main className="page-loading" id="main" aria-busy="true" />
      ) : login === "in" ? (
        <Console onOut={(isExpired) => setLogin(isExpired ? "expired" : "out")} />
      ) : (
        <LoginCard isExpired={login === "expired"} onIn={() => setLogin("in")} />
      )}
    </LanguageContext>
  );
}

function Console({ onOut }: { onOut: (isExpired: boolean) => void }) {
  const strings = useStrings();
  const route = useRoute();
  const [client, setClient] = useState<Client | null>(null);
  const [isConnected, setConnected] = useState(false);
  const [isAnnouncing, setAnnouncing] = useState(false);
  const [said, setSaid] = useState<{ text: string; isBad: boolean } | null>(null);
  const expired = useCallback(() => onOut(true), [onOut]);
  const toast = useCallback((text: string, isBad = false) => setSaid({ text, isBad }), []);

  useEffect(() => {
    const opened = createClient(`${window.location.origin}/ws`);
    const look = (): void => setConnected(opened.status === "connected");
    opened.on("status", look);
    look();
    setClient(opened);
    return () => opened.close();
  }, []);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => setSaid(null), TOAST_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const operator = useMemo<Operator | null>(
    () => (client === null ? null : { client, isConnected, expired, toast }),
    [client, isConnected, expired, toast],
  );
  if (operator === null) return null;

  const logOut = async (): Promise<void> => {
    await act("/api/logout", {}).catch(() => {});
    onOut(false);
  };
  const page = PAGES.find(({ id }) => id === route.page) ?? PAGES[0];
  return (
    <OperatorContext value={operator}>
      <div className="shell console">
        <button type="button" className="skip" onClick={() => document.getElementById("main")?.focus()}>
          {strings.skip}
        </button>
        <header className="header">
          <a className="brand" href="#/overview">
            <Logo />
            <span className="brand-name">{strings.appName}</span>
            <span className="console-mark">{strings.admin}</span>
          </a>
          <nav className="pages" aria-label={strings.pages}>
            {PAGES.map(({ id, icon }) => (
              <a key={id} className="page-link" href={`#/${id}`} aria-current={id === page.id ? "page" : undefined}>
                <Icon name={icon} size={16} />
                <span>{strings[id]}</span>
              </a>
            ))}
          </nav>
          <div className="header-end">
            <span className="console-live" data-on={isConnected} role="status">
              <span className="dashboard-dot" aria-hidden="true" />
              <span>{isConnected ? strings.live : strings.notLive}</span>
            </span>
            <button
              type="button"
              className="icon-button"
              aria-label={strings.announce}
              title={strings.announce}
              onClick={() => setAnnouncing(true)}
            >
              <Icon name="bell" />
            </button>
            <LanguageSwitch />
            <ThemeSwitch />
            <button
              type="button"
              className="icon-button"
              aria-label={strings.logOut}
              title={strings.logOut}
              onClick={() => void logOut()}
            >
              <Icon name="exit" />
            </button>
          </div>
        </header>
        <main className="console-main" id="main" tabIndex={-1}>
          <title>{`${strings[page.id]} · ${strings.appName} ${strings.admin}`}</title>
          <page.View rest={route.page === page.id ? route.rest : ""} />
        </main>
        {isAnnouncing ? <AnnounceDialog onClose={() => setAnnouncing(false)} /> : null}
        <div className="console-toast" role="status" data-bad={said?.isBad === true} hidden={said === null}>
          {said?.text}
        </div>
      </div>
    </OperatorContext>
  );
}
