import { type FormEvent, useId, useRef, useState } from "react";
import { LanguageSwitch, ThemeSwitch } from "../shell/header.tsx";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import { Logo, Ridge } from "../shell/logo.tsx";
import type { Strings } from "../strings.ts";
import { friendlyName } from "./friendly-name.ts";
import { MAX_NAME, type Session, SignInError, signIn, userIdOf } from "./session.ts";

/** Asks for a name and gets a development token for it. */
export function SignInCard({ expired, onSignIn }: { expired: boolean; onSignIn: (session: Session) => void }) {
  const strings = useStrings();
  const [name, setName] = useState(() => friendlyName());
  const [error, setError] = useState<string | null>(expired ? strings.signInExpired : null);
  const [working, setWorking] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const errorId = useId();

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted === "") {
      setError(strings.signInEmpty);
      field.current?.focus();
      return;
    }
    setWorking(true);
    setError(null);
    try {
      onSignIn(await signIn(userIdOf(wanted), wanted));
    } catch (failure) {
      setError(explain(failure, strings));
      setWorking(false);
    }
  };

  return (
    <main className="sign-in" id="main" tabIndex={-1}>
      <title>{strings.appName}</title>
      <div className="sign-in-corner">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
      <form className="sign-in-card" onSubmit={submit} noValidate>
        <div className="sign-in-brand">
          <Logo size={56} />
          <h1>{strings.appName}</h1>
          <p>{strings.tagline}</p>
        </div>
        <h2>{strings.signInTitle}</h2>
        <p className="muted">{strings.signInText}</p>
        <label className="field-label" htmlFor="sign-in-name">
          {strings.signInName}
        </label>
        <div className="field-row">
          <input
            ref={field}
            id="sign-in-name"
            className="field"
            value={name}
            maxLength={MAX_NAME}
            autoComplete="nickname"
            // biome-ignore lint/a11y/noAutofocus: the only thing to do on this page.
            autoFocus
            onFocus={(event) => event.target.select()}
            onChange={(event) => setName(event.target.value)}
            aria-invalid={error !== null}
            aria-describedby={error === null ? undefined : errorId}
          />
          <button
            type="button"
            className="icon-button framed"
            aria-label={strings.signInAnother}
            title={strings.signInAnother}
            onClick={() => setName(friendlyName())}
          >
            <Icon name="dice" />
          </button>
        </div>
        <p className="field-error" id={errorId} role="alert">
          {error === null ? null : (
            <>
              <Icon name="warning" size={16} /> {error}
            </>
          )}
        </p>
        <button type="submit" className="button primary" disabled={working}>
          {working ? strings.signInWorking : strings.signInGo}
        </button>
      </form>
      <Ridge />
    </main>
  );
}

function explain(failure: unknown, strings: Strings): string {
  if (!(failure instanceof SignInError)) return strings.signInUnreachable;
  if (failure.reason === "unreachable") return strings.signInUnreachable;
  if (failure.reason === "not_dev") return strings.signInNotDev;
  return strings.signInRefused(failure.message);
}
