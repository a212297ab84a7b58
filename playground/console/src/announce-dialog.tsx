import { type FormEvent, useState } from "react";
import { Dialog } from "./dialog.tsx";
import { useStrings } from "./language.tsx";
import { useAct } from "./use-act.ts";

type To = "all" | "user" | "room" | "namespace";

/** Says something to clients. */
export function AnnounceDialog({ onClose }: { onClose: () => void }) {
  const strings = useStrings();
  const act = useAct();
  const [text, setText] = useState("");
  const [level, setLevel] = useState<"info" | "warning">("info");
  const [to, setTo] = useState<To>("all");
  const [whom, setWhom] = useState("");
  const labels: Record<To, string> = {
    all: strings.toAll,
    user: strings.toUser,
    room: strings.toRoom,
    namespace: strings.toNamespace,
  };
  const say = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const isSaid = await act(
      "/api/announce",
      { text, level, to: to === "all" ? {} : { [to]: whom } },
      strings.announced,
    );
    if (isSaid) onClose();
  };
  return (
    <Dialog title={strings.announceTitle} onClose={onClose}>
      <form className="console-form" onSubmit={(event) => void say(event)}>
        <p className="muted">{strings.announceText}</p>
        <label className="console-field">
          <span>{strings.announceWhat}</span>
          <textarea
            className="field area"
            rows={3}
            required
            maxLength={2_000}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <div className="console-pair">
          <label className="console-field">
            <span>{strings.announceTo}</span>
            <select className="field" value={to} onChange={(event) => setTo(event.target.value as To)}>
              {(Object.keys(labels) as To[]).map((one) => (
                <option key={one} value={one}>
                  {labels[one]}
                </option>
              ))}
            </select>
          </label>
          <label className="console-field">
            <span>{strings.level}</span>
            <select className="field" value={level} onChange={(event) => setLevel(event.target.value as "info")}>
              <option value="info">{strings.info}</option>
              <option value="warning">{strings.warning}</option>
            </select>
          </label>
        </div>
        {to === "all" ? null : (
          <label className="console-field">
            <span>{`${strings.toWhom}: ${labels[to]}`}</span>
            <input className="field" required value={whom} onChange={(event) => setWhom(event.target.value)} />
          </label>
        )}
        <div className="console-dialog-end">
          <button type="button" className="button" onClick={onClose}>
            {strings.cancel}
          </button>
          <button type="submit" className="button primary">
            {strings.announce}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
