import { type FormEvent, useState } from "react";
import { Logo } from "../../src/shell/logo.tsx";
import { type ApiError, act } from "./api.ts";
import { useStrings } from "./language.tsx";
import { LanguageSwitch, ThemeSwitch } from "./switches.tsx";

/** Asks for the secret. */
export function LoginCard({ isExpired, onIn }: { isExpired: boolean; onIn: () => void }) {
  const strings = useStrings();
  const [secret, setSecret] = useState("");
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState<string | null>(isExpired ? strings.expired : null);
  const logIn = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setAsking(true);
    try {
      await act("/api/login", { secret: secret.trim() });
      onIn();
    } catch (error) {
      const { status, message } = error as ApiError;
      setProblem(status === 401 ? strings.wrongSecret : status === 429 ? strings.tooMany : strings.failed(message));
      setAsking(false);
    }
  };
  return (
    <main className="sign-in" id="main">
      <title>{`${strings.loginTitle} · ${strings.appName}`}</title>
      <div className="sign-in-corner">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
      <form className="sign-in-card" onSubmit={(event) => void logIn(event)}>
        <div className="sign-in-brand">
          <Logo />
          <h1>{strings.appName}</h1>
        </div>
        <h2>{strings.loginTitle}</h2>
        <p className="muted">{strings.loginText}</p>
        <label className="field-label" htmlFor="secret">
          {strings.secret}
        </label>
        <input
          id="secret"
          className="field"
          type="password"
          autoComplete="current-password"
          // biome-ignore lint/a11y/noAutofocus: it is the one thing on the page.
          autoFocus
          required
          value={secret}
          aria-invalid={problem !== null}
          aria-describedby="secret-problem"
          onChange={(event) => setSecret(event.target.value)}
        />
        <p className="field-error" id="secret-problem" role="alert">
          {problem}
        </p>
        <button type="submit" className="button primary" disabled={isAsking || secret === ""}>
          {strings.logIn}
        </button>
      </form>
    </main>
  );
}
