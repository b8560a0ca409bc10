// The shape of a distribution of which only quantiles are known.

/** Values that stand at one number, such as the zeros behind a ReLU. */
export interface Atom {
  value: number;
  /** Share of all values. */
  mass: number;
}

export interface Density {
  /** Centres of the bins and the share of all values in each; with the atoms they sum to 1. */
  x: number[];
  mass: number[];
  atoms: Atom[];
  low: number;
  high: number;
}

const BINS = 96;
const PASSES = 3; // of a running mean over three bins: about a Gaussian

/**
 * Density from quantiles of shape (probability,): between two of them values are spread evenly, then
 * smoothed. Quantiles that are equal make an atom. Null when one is not finite or they fall.
 */
export function density(probabilities: readonly number[], values: readonly number[], bins = BINS): Density | null {
  const low = values[0];
  const high = values[values.length - 1];
  if (low === undefined || high === undefined || probabilities.length !== values.length) return null;
  if (!values.every((value, index) => Number.isFinite(value) && value >= (values[index - 1] ?? -Infinity))) return null;
  const width = (high - low) / bins;
  const mass = new Array<number>(bins).fill(0);
  const atoms: Atom[] = [];
  for (let index = 1; index < values.length; index++) {
    const [from, to] = [values[index - 1] as number, values[index] as number];
    const share = (probabilities[index] as number) - (probabilities[index - 1] as number);
    if (share <= 0) continue;
    if (to === from) {
      const last = atoms[atoms.length - 1];
      if (last?.value === to) last.mass += share;
      else atoms.push({ value: to, mass: share });
      continue;
    }
    const first = Math.min(bins - 1, Math.floor((from - low) / width));
    const end = Math.min(bins - 1, Math.floor((to - low) / width));
    for (let bin = first; bin <= end; bin++) {
      const left = Math.max(from, low + bin * width);
      const right = bin === bins - 1 ? to : Math.min(to, low + (bin + 1) * width);
      mass[bin] = (mass[bin] ?? 0) + (share * Math.max(0, right - left)) / (to - from);
    }
  }
  return { x: mass.map((_, bin) => low + (bin + 0.5) * width), mass: smoothed(mass), atoms, low, high };
}

/** Running means that keep the sum: what would leave at an end stays there. */
function smoothed(mass: number[]): number[] {
  let now = mass;
  for (let pass = 0; pass < PASSES; pass++)
    now = now.map((value, bin) => ((now[bin - 1] ?? value) + value + (now[bin + 1] ?? value)) / 3);
  return now;
}

/** The quantile at a probability that was recorded. */
export function quantile(probabilities: readonly number[], values: readonly number[], wanted: number): number | null {
  const index = probabilities.findIndex((probability) => Math.abs(probability - wanted) < 1e-9);
  return values[index] ?? null;
}
