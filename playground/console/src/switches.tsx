import { use, useState } from "react";
import { Icon, type IconName } from "../../src/shell/icon.tsx";
import { applyTheme, storedTheme, type Theme } from "../../src/shell/theme.ts";
import { LanguageContext, useStrings } from "./language.tsx";

const NEXT: Record<Theme, { next: Theme; icon: IconName }> = {
  auto: { next: "light", icon: "auto" },
  light: { next: "dark", icon: "sun" },
  dark: { next: "auto", icon: "moon" },
};

/** Goes round the languages. */
export function LanguageSwitch() {
  const strings = useStrings();
  const { language, choose } = use(LanguageContext);
  return (
    <button
      type="button"
      className="icon-button text-button"
      aria-label={strings.language}
      title={strings.language}
      onClick={() => choose(language === "en" ? "ja" : "en")}
    >
      {strings.languageShort}
    </button>
  );
}

/** Goes round system, light and dark. */
export function ThemeSwitch() {
  const strings = useStrings();
  const [theme, setTheme] = useState<Theme>(storedTheme);
  const label = strings.theme[theme];
  const change = (): void => {
    const { next } = NEXT[theme];
    applyTheme(next);
    setTheme(next);
  };
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={change}>
      <Icon name={NEXT[theme].icon} />
    </button>
  );
}
