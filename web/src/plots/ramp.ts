// Colours of a heat map: a scale from numbers to colours that colour-blind readers can tell apart.
import { decode, type Num } from '../lib/numbers';

export type Rgb = readonly [number, number, number];
export type Kind = 'sequential' | 'diverging';

// cividis (Nuñez, Anderton, Renslow 2018): perceptually uniform, the same for red-green blindness
const CIVIDIS = '00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838';
// blue and orange around what is neutral on the ground
const DIVERGING = { light: '0b4a86 4f8fc4 efece4 d98a3d 9c3f00', dark: '9ccbff 3f7fb8 262f33 b8702a ffc089' };
const DECADES = 8; // of a logarithmic scale at most: what is smaller has the lowest colour

function parse(colors: string): Rgb[] {
  return colors.split(' ').map((hex) => {
    const number = parseInt(hex, 16);
    return [number >> 16, (number >> 8) & 255, number & 255] as const;
  });
}

/** The colours from lowest to highest. */
export function colors(kind: Kind, dark: boolean): Rgb[] {
  return parse(kind === 'sequential' ? CIVIDIS : DIVERGING[dark ? 'dark' : 'light']);
}

/** The colour at a share from 0 to 1. */
export function mix(stops: readonly Rgb[], share: number): Rgb {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [stops[index], stops[index + 1]];
  if (!a || !b) return stops[0] ?? [0, 0, 0];
  const rest = place - index;
  const channel = (from: number, to: number): number => Math.round(from + (to - from) * rest);
  return [channel(a[0], b[0]), channel(a[1], b[1]), channel(a[2], b[2])];
}

export interface Scale {
  kind: Kind;
  log: boolean;
  low: number;
  high: number;
  /** Where a finite value lies, from 0 to 1. */
  share: (value: number) => number;
  /** Values to write beside the legend, from low to high. */
  ticks: number[];
}

/** The scale of these cells. `range` fixes its ends, such as 0 to 1 for a fraction. */
export function scaleOf(cells: readonly (readonly (Num | null)[])[], options: { log?: boolean; range?: readonly [number, number] } = {}): Scale {
  let low = Infinity;
  let high = -Infinity;
  let least = Infinity; // above zero
  for (const row of cells)
    for (const cell of row) {
      const value = decode(cell);
      if (value === null || !Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
      if (value > 0) least = Math.min(least, value);
    }
  if (low > high) [low, high] = [0, 1];
  if (options.range) [low, high] = options.range;
  else if (options.log && least < Infinity && high > 0) return logScale(Math.max(least, high / 10 ** DECADES), high);
  if (low < 0 && high > 0) {
    const far = Math.max(-low, high);
    return { kind: 'diverging', log: false, low: -far, high: far, share: (value) => (value / far + 1) / 2, ticks: [-far, 0, far] };
  }
  const span = high - low;
  const share = (value: number): number => (span > 0 ? (value - low) / span : 0.5);
  return { kind: 'sequential', log: false, low, high, share, ticks: span > 0 ? [low, low + span / 2, high] : [low] };
}

function logScale(low: number, high: number): Scale {
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const span = to - from;
  const share = (value: number): number => (value <= low ? 0 : span > 0 ? (Math.log10(value) - from) / span : 0.5);
  return { kind: 'sequential', log: true, low, high, share, ticks: span > 0 ? [low, 10 ** ((from + to) / 2), high] : [low] };
}

/** `rgb(1 2 3)`. */
export function css(color: Rgb): string {
  return `rgb(${color[0]} ${color[1]} ${color[2]})`;
}

/** The index of the column that holds a step; the first or last one beside them; -1 without columns. */
export function columnAt(edges: readonly number[], step: number): number {
  if (edges.length < 2) return -1;
  let [low, high] = [0, edges.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((edges[middle] ?? 0) <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Columns to write a step below, about `apart` pixels from one another. */
export function tickColumns(count: number, width: number, apart = 64): number[] {
  if (count <= 0 || width <= 0) return [];
  const every = Math.max(1, Math.ceil((apart * count) / width));
  const found: number[] = [];
  for (let column = 0; column < count; column += every) found.push(column);
  // the last one tells how far the run came, which the others do not: observation gets sparse
  if (count - 1 - (found.at(-1) ?? 0) < every && found.length > 1) found.pop();
  if (found.at(-1) !== count - 1) found.push(count - 1);
  return found;
}
