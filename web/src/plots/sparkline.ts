// A small curve: its path, and what it says in words.
import { decode, type Num, show } from '../lib/numbers';

export interface Shape {
  path: string;
  /** Where the last finite value is. */
  end: { x: number; y: number } | null;
  /** Where values stopped being finite. */
  broken: number[];
}

const WIDE = 50; // largest / smallest, from which on a logarithm shows more

/** The curve of these values in a box, with a margin of 2. */
export function sparkline(values: readonly Num[], width: number, height: number): Shape {
  const numbers = values.map((value) => decode(value) ?? NaN);
  const finite = numbers.filter(Number.isFinite);
  if (finite.length === 0) return { path: '', end: null, broken: numbers.length ? [width / 2] : [] };
  let low = Math.min(...finite);
  let high = Math.max(...finite);
  const log = low > 0 && high / low > WIDE;
  if (log) [low, high] = [Math.log(low), Math.log(high)];
  const span = high - low || 1;
  const x = (index: number): number => (numbers.length < 2 ? width - 2 : 2 + (index * (width - 4)) / (numbers.length - 1));
  const y = (value: number): number => (high === low ? height / 2 : height - 2 - (((log ? Math.log(value) : value) - low) / span) * (height - 4));
  let path = '';
  let open = false;
  let end: Shape['end'] = null;
  const broken: number[] = [];
  numbers.forEach((value, index) => {
    if (Number.isFinite(value)) {
      end = { x: x(index), y: y(value) };
      path += `${open ? 'L' : 'M'}${end.x.toFixed(1)} ${end.y.toFixed(1)}`;
      open = true;
    } else {
      if (open || index === 0) broken.push(x(index));
      open = false;
    }
  });
  return { path, end, broken };
}

/** The curve in words. */
export function inWords(name: string, values: readonly Num[]): string {
  const numbers = values.map((value) => decode(value) ?? NaN);
  const finite = numbers.filter(Number.isFinite);
  const last = numbers.at(-1);
  if (last === undefined) return `${name}: no value yet`;
  const ends = numbers.length > 1 ? `from ${show(numbers[0])} to ${show(last)}` : show(last);
  const lowest = finite.length > 2 ? `, lowest ${show(Math.min(...finite))}, highest ${show(Math.max(...finite))}` : '';
  const gone = numbers.length - finite.length;
  return `${name}: ${ends}${lowest}${gone ? `, ${gone} of ${numbers.length} values not finite` : ''}`;
}
