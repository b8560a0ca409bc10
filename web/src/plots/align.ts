// What a line plot computes before it draws: one x axis for all curves, ranges, ticks, readouts.
import type { Line } from './lines';

export type Cell = number | null | undefined; // undefined: this curve has no point at that x

export interface Aligned {
  x: number[];
  /** One array a curve; null is a gap, also where a value cannot be drawn. */
  y: Cell[][];
  /** Values that a logarithmic axis cannot show. */
  nonPositive: number;
  /** Values that are NaN or infinite. */
  nonFinite: number;
}

/** Curves over the union of their x values. */
export function align(lines: readonly Line[], log: boolean): Aligned {
  const x = [...new Set(lines.flatMap((line) => [...line.x]))].sort((a, b) => a - b);
  const index = new Map(x.map((value, position) => [value, position]));
  let nonPositive = 0;
  let nonFinite = 0;
  const y = lines.map((line) => {
    const column = new Array<Cell>(x.length).fill(undefined);
    line.x.forEach((at, i) => {
      const value = line.y[i] ?? null;
      const finite = value !== null && Number.isFinite(value);
      if (value !== null && !finite) nonFinite += 1;
      if (finite && log && value <= 0) nonPositive += 1;
      column[index.get(at) ?? 0] = finite && !(log && value <= 0) ? value : null;
    });
    return column;
  });
  return { x, y, nonPositive, nonFinite };
}

/** Position of the value nearest to `at` in ascending numbers; -1 when there are none. */
export function nearest(values: readonly number[], at: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && Math.abs((values[low - 1] ?? 0) - at) <= Math.abs((values[low] ?? 0) - at)) return low - 1;
  return values.length ? low : -1;
}

/** Position of the point of a curve that stands for `at`; -1 well beyond its ends. */
export function pointAt(line: Line, at: number): number {
  const found = nearest(line.x, at);
  if (found < 0) return -1;
  const first = line.x[0] ?? 0;
  const last = line.x[line.x.length - 1] ?? 0;
  const gap = line.x.length > 1 ? (last - first) / (line.x.length - 1) : 1;
  return at < first - gap || at > last + gap ? -1 : found;
}

/** Lowest and highest finite value between two x, of curves, bands and what lies under smoothed ones. */
export function extent(
  lines: readonly Line[],
  from: number,
  to: number,
  log: boolean,
  also: readonly number[] = [],
): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  const take = (value: number | null | undefined): void => {
    if (value === null || value === undefined || !Number.isFinite(value) || (log && value <= 0)) return;
    if (value < low) low = value;
    if (value > high) high = value;
  };
  for (const line of lines)
    for (let i = 0; i < line.x.length; i++) {
      const at = line.x[i] ?? 0;
      if (at < from || at > to) continue;
      take(line.y[i]);
      take(line.raw?.[i]);
      take(line.low?.[i]);
      take(line.high?.[i]);
    }
  also.forEach(take);
  return low <= high ? [low, high] : null;
}

/** A range with air above and below. */
export function padded(range: [number, number] | null, log: boolean): [number, number] {
  if (range === null) return log ? [0.1, 10] : [0, 1];
  const [low, high] = range;
  if (log) {
    const air = Math.max(Math.log10(high / low) * 0.06, 0.05);
    return [low / 10 ** air, high * 10 ** air];
  }
  const air = high > low ? (high - low) * 0.07 : Math.abs(high) * 0.1 || 1;
  const bottom = low - air;
  return [low >= 0 && bottom < 0 ? -air * 0.35 : bottom, high + air];
}

/** Ticks of a logarithmic axis: 1, 2, 5 of each decade, or powers of ten when there are many. */
export function logTicks(min: number, max: number, most = 7): number[] {
  const first = Math.floor(Math.log10(min));
  const last = Math.ceil(Math.log10(max));
  const every = Math.max(1, Math.ceil((last - first) / most));
  const within = (factors: readonly number[]): number[] => {
    const ticks: number[] = [];
    for (let power = first; power <= last; power += every)
      for (const factor of factors) {
        const tick = Number(`${factor}e${power}`);
        if (tick >= min && tick <= max) ticks.push(tick);
      }
    return ticks;
  };
  const decades = within([1]);
  if (every > 1 || decades.length >= 4) return decades;
  const fine = within([1, 2, 5]);
  return fine.length >= 3 ? fine : within([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]);
}

/** Digits behind the point that a step has: 1 for 0.5, 2 for 0.25, −3 for 2000. */
function decimalsOf(step: number): number {
  const first = -Math.floor(Math.log10(step) + 1e-9);
  const leading = step * 10 ** first;
  return Math.abs(leading - Math.round(leading)) < 1e-6 ? first : first + 1;
}

/** A tick in as many digits as the distance to the next one needs. */
export function tickText(value: number, step: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || (size < 1e-3 && step < 1e-3)) {
    const digits = Math.min(4, Math.max(0, Math.floor(Math.log10(size)) + decimalsOf(step || size)));
    return value.toExponential(digits).replace('e+', 'e').replaceAll('-', '−');
  }
  const decimals = Math.min(8, Math.max(0, decimalsOf(step || size)));
  return value.toLocaleString('en', { maximumFractionDigits: decimals, minimumFractionDigits: 0 }).replace('-', '−');
}
