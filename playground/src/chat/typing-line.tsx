import { useStrings } from "../shell/language.ts";
import type { Typist } from "./room-view.ts";

/** Who is writing just now. Keeps its place when nobody is. */
export function TypingLine({ typing, me }: { typing: ReadonlyMap<string, Typist>; me: string }) {
  const strings = useStrings();
  const names = [...typing].filter(([userId]) => userId !== me).map(([, typist]) => typist.userName);
  const [first, second] = names;
  const words =
    first === undefined
      ? ""
      : second === undefined
        ? strings.typing1(first)
        : names.length === 2
          ? strings.typing2(first, second)
          : strings.typingMany(names.length);
  return (
    <p className="typing" role="status">
      {words === "" ? null : (
        <>
          <span className="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {words}
        </>
      )}
    </p>
  );
}
