/** The mark: a mountain and its echo. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg className="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path className="logo-mountain" d="M2 26 11.500 9l5.300 9.200 2.800-3.900L28 26z" />
      <g className="logo-echo">
        <path d="M20 10.500a5 5 0 0 1 3.200 3.200" />
        <path d="M20.800 5.600a10 10 0 0 1 7.400 7.400" />
      </g>
    </svg>
  );
}

/** A far ridge along the foot of an empty page. */
export function Ridge() {
  return (
    <svg className="ridge" viewBox="0 0 1200 240" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
      <path
        className="ridge-far"
        d="M0 150 120 96l96 44L352 40l118 92 92-50 130 78 122-108 108 74 96-46 182 96v124H0z"
      />
      <path className="ridge-near" d="M0 206 150 150l110 40 148-78 132 82 116-48 150 62 128-84 122 66 244-50v110H0z" />
    </svg>
  );
}
