/** A bell's badge: how many are unseen; nothing when there are none. What it says is said in words by its button. */
export function Badge({ count }: { count: number }) {
  if (count === 0) return null;
  return (
    <span className="bell-badge" aria-hidden="true">
      {count > 99 ? "99+" : count}
    </span>
  );
}
