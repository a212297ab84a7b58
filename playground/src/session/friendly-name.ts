const NAMES = [
  "Aiko",
  "Ben",
  "Chiyo",
  "Daniel",
  "Emi",
  "Fumi",
  "Gustav",
  "Hana",
  "Ines",
  "Jun",
  "Kaede",
  "Lena",
  "Mika",
  "Noor",
  "Omar",
  "Priya",
  "Quinn",
  "Rin",
  "Sora",
  "Tove",
  "Umi",
  "Viktor",
  "Wren",
  "Yuki",
  "Zoe",
] as const;

const PLACES = ["Ridge", "Valley", "Summit", "Cedar", "Brook", "Cloud", "Pine", "Stone", "Snow", "Fern"] as const;

/** A friendly name nobody else is likely to have just now. */
export function friendlyName(random: () => number = Math.random): string {
  return `${pick(NAMES, random)} ${pick(PLACES, random)}`;
}

function pick<T>(from: readonly [T, ...T[]], random: () => number): T {
  return from[Math.floor(random() * from.length)] ?? from[0];
}
