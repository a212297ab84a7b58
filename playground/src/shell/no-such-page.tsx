import { formatHash } from "./hash-route.ts";
import { useStrings } from "./language.ts";
import { Ridge } from "./logo.tsx";
import { PAGES } from "./pages.tsx";

/** Says that the address names no page, and leads to one that there is. */
export function NoSuchPage() {
  const strings = useStrings();
  const [first] = PAGES;
  return (
    <main className="no-such-page" id="main" tabIndex={-1}>
      <title>{`${strings.noSuchPage} · ${strings.appName}`}</title>
      <div>
        <h1>{strings.noSuchPage}</h1>
        <p className="muted">{strings.noSuchPageText(window.location.hash)}</p>
        <a className="button primary" href={formatHash(first?.id ?? "")}>
          {strings.toFirstPage}
        </a>
      </div>
      <Ridge />
    </main>
  );
}
