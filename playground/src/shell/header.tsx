import { lazy, Suspense, use, useState } from "react";
import { ConnectionChip } from "../connection/connection-chip.tsx";
import type { Session } from "../session/session.ts";
import { LANGUAGES, type Language } from "../strings.ts";
import { Avatar } from "./avatar.tsx";
import { formatHash } from "./hash-route.ts";
import { Icon, type IconName } from "./icon.tsx";
import { LanguageContext } from "./language.ts";
import { Logo } from "./logo.tsx";
import { PAGES, type Page } from "./pages.tsx";
import { applyTheme, storedTheme, type Theme } from "./theme.ts";

const Bell = lazy(async () => ({ default: (await import("../notifications/bell.tsx")).Bell }));

const THEMES: Record<Theme, { next: Theme; icon: IconName }> = {
  auto: { next: "light", icon: "auto" },
  light: { next: "dark", icon: "sun" },
  dark: { next: "auto", icon: "moon" },
};

/** The bar over every page: mark, pages, connection, language, theme, and who one is. */
export function Header({ page, session, onSignOut }: { page: Page | null; session: Session; onSignOut: () => void }) {
  const { strings } = use(LanguageContext);
  return (
    <header className="header">
      <a className="brand" href={formatHash(PAGES[0]?.id ?? "")} aria-label={strings.appName}>
        <Logo />
        <span className="brand-name">{strings.appName}</span>
      </a>
      <nav className="pages" aria-label={strings.pages}>
        {PAGES.map((one) => (
          <a
            key={one.id}
            className="page-link"
            href={formatHash(one.id)}
            aria-current={one.id === page?.id ? "page" : undefined}
          >
            <Icon name={one.icon} size={16} />
            <span>{one.title(strings)}</span>
          </a>
        ))}
      </nav>
      <div className="header-end">
        <ConnectionChip />
        <Suspense fallback={<span className="icon-button" aria-hidden="true" />}>
          <Bell />
        </Suspense>
        <LanguageSwitch />
        <ThemeSwitch />
        <span className="me" title={strings.signedInAs(session.name)}>
          <Avatar id={session.user} name={session.name} size={26} />
          <span className="me-name">{session.name}</span>
        </span>
        <button
          type="button"
          className="icon-button"
          aria-label={strings.signOut}
          title={strings.signOut}
          onClick={onSignOut}
        >
          <Icon name="exit" />
        </button>
      </div>
    </header>
  );
}

/** Goes round the languages. */
export function LanguageSwitch() {
  const { language, strings, choose } = use(LanguageContext);
  const codes = Object.keys(LANGUAGES) as Language[];
  const next = codes[(codes.indexOf(language) + 1) % codes.length] ?? language;
  const label = `${strings.language}: ${LANGUAGES[language].label}`;
  return (
    <button
      type="button"
      className="icon-button text-button"
      aria-label={label}
      title={label}
      onClick={() => choose(next)}
    >
      {language === "ja" ? "日" : "EN"}
    </button>
  );
}

/** Goes round system, light and dark. */
export function ThemeSwitch() {
  const { strings } = use(LanguageContext);
  const [theme, setTheme] = useState<Theme>(storedTheme);
  const names: Record<Theme, string> = { auto: strings.themeAuto, light: strings.themeLight, dark: strings.themeDark };
  const label = `${strings.theme}: ${names[theme]}`;
  const change = (): void => {
    const { next } = THEMES[theme];
    applyTheme(next);
    setTheme(next);
  };
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={change}>
      <Icon name={THEMES[theme].icon} />
    </button>
  );
}
