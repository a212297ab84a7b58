import { createContext, use } from "react";
import { LANGUAGES, type Language, type Strings } from "../strings.ts";

const KEY = "yamabiko.language";

/** The language in use and the way to change it. */
export interface LanguageChoice {
  readonly language: Language;
  readonly strings: Strings;
  choose(language: Language): void;
}

/** Hands the language down to every component. */
export const LanguageContext = createContext<LanguageChoice>({
  language: "en",
  strings: LANGUAGES.en.strings,
  choose: () => {},
});

/** The strings of the language in use. */
export function useStrings(): Strings {
  return use(LanguageContext).strings;
}

/** The language chosen before on this device, else the browser's where the playground speaks it. */
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

/** The locale for times and dates: the reader's own variety of the language where the browser names one. */
export function localeOf(language: Language): string {
  return navigator.languages.find((one) => one === language || one.startsWith(`${language}-`)) ?? language;
}
