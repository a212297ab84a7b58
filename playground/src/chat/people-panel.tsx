import { Avatar } from "../shell/avatar.tsx";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import type { Person } from "./message.ts";
import type { Typist } from "./room-view.ts";

/** Who is in the room. */
export function PeoplePanel(props: {
  people: readonly Person[];
  count: number;
  typing: ReadonlyMap<string, Typist>;
  me: string;
}) {
  const { people, count, typing, me } = props;
  const strings = useStrings();
  const sorted = [...people].sort((a, b) => a.userName.localeCompare(b.userName));
  return (
    <section className="panel people" aria-labelledby="people-title">
      <h2 id="people-title">{strings.people}</h2>
      <p className="muted people-count">{count === 0 ? "–" : strings.peopleHere(count)}</p>
      <ul className="people-list">
        {sorted.map((person) => (
          <li key={person.userId} className="person">
            <Avatar id={person.userId} name={person.userName} size={26} />
            <span className="person-name">{person.userName}</span>
            {person.userId === me ? <span className="muted">({strings.you})</span> : null}
            {typing.has(person.userId) && person.userId !== me ? (
              <span className="person-typing" title={strings.typing1(person.userName)}>
                <Icon name="edit" size={14} />
              </span>
            ) : null}
          </li>
        ))}
      </ul>
      {count > people.length && people.length > 0 ? (
        <p className="muted">{strings.morePeople(count - people.length)}</p>
      ) : null}
    </section>
  );
}
