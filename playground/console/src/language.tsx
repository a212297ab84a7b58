import { createContext, use } from "react";
import { type Language, STRINGS, type Strings } from "./strings.ts";

const KEY = "yamabiko.language";

/** The language in use and the way to change it. */
export const LanguageContext = createContext<{ language: Language; choose: (language: Language) => void }>({
  language: "en",
  choose: () => {},
});

/** The strings of the language in use. */
export function useStrings(): Strings {
  return STRINGS[use(LanguageContext).language];
}

/** The locale for numbers and times. */
export function useLocale(): string {
  const { language } = use(LanguageContext);
  return navigator.languages.find((one) => one === language || one.startsWith(`${language}-`)) ?? language;
}

/** The language chosen before on this device, else the browser's. */
export function storedLanguage(): Language {
  try {
    const value = localStorage.getItem(KEY);
    if (value === "en" || value === "ja") return value;
  } catch {
    // Without storage the browser's language decides.
  }
  return navigator.language.startsWith("ja") ? "ja" : "en";
}

/** Remembers the language on this device. */
export function storeLanguage(language: Language): void {
  document.documentElement.lang = language;
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Shown for now, forgotten later.
  }
}
