import { Suspense, useEffect, useMemo, useState } from "react";
import { ClientProvider } from "../connection/client-context.tsx";
import { type Session, storedSession, storeSession } from "../session/session.ts";
import { SignInCard } from "../session/sign-in-card.tsx";
import { LANGUAGES, type Language } from "../strings.ts";
import { useRoute } from "./hash-route.ts";
import { Header } from "./header.tsx";
import { LanguageContext, storedLanguage, storeLanguage } from "./language.ts";
import { NoSuchPage } from "./no-such-page.tsx";
import { PAGES } from "./pages.tsx";

/** The playground: sign-in, then the page the address names inside the shell. */
export function App() {
  const [language, setLanguage] = useState<Language>(storedLanguage);
  const [session, setSession] = useState<Session | null>(storedSession);
  const [expired, setExpired] = useState(false);
  const route = useRoute();
  const strings = LANGUAGES[language].strings;
  const page = PAGES.find((one) => one.id === (route.page || PAGES[0]?.id)) ?? null;

  useEffect(() => storeLanguage(language), [language]);
  const choice = useMemo(() => ({ language, strings, choose: setLanguage }), [language, strings]);

  const signIn = (next: Session): void => {
    storeSession(next);
    setExpired(false);
    setSession(next);
  };
  const signOut = (because: "asked" | "expired"): void => {
    storeSession(null);
    setExpired(because === "expired");
    setSession(null);
  };

  return (
    <LanguageContext value={choice}>
      {session === null ? (
        <SignInCard expired={expired} onSignIn={signIn} />
      ) : (
        <ClientProvider key={session.user} session={session} onRefused={() => signOut("expired")}>
          <div className="shell">
            <button type="button" className="skip" onClick={skipToMain}>
              {strings.skip}
            </button>
            <Header page={page} session={session} onSignOut={() => signOut("asked")} />
            <Suspense fallback={<main className="page-loading" id="main" tabIndex={-1} aria-busy="true" />}>
              {page === null ? <NoSuchPage /> : <page.View rest={route.rest} />}
            </Suspense>
          </div>
        </ClientProvider>
      )}
    </LanguageContext>
  );
}

/** The address belongs to the router, so the skip button moves the focus itself. */
function skipToMain(): void {
  document.getElementById("main")?.focus();
}
