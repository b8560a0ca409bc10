// Numbers as people read them. The server sends NaN and ±inf as strings.
export type Num = number | 'nan' | 'inf' | '-inf' | 'NaN' | 'Infinity' | '-Infinity' | string;

/** The number behind what the server sent. */
export function decode(value: Num | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number') return value;
  if (value === 'inf' || value === 'Infinity') return Infinity;
  if (value === '-inf' || value === '-Infinity') return -Infinity;
  return NaN;
}

/** Four significant digits, thousands apart, powers of ten beyond 1e7 and below 1e-4; fractions in percent. */
export function show(value: Num | null | undefined, unit = ''): string {
  const number = decode(value);
  if (number === null) return '–';
  if (unit === 'fraction' && Number.isFinite(number)) return `${shown(Number((number * 100).toPrecision(3)))} %`;
  const text = shown(number);
  return unit ? `${text} ${unit}` : text;
}

function shown(number: number): string {
  if (Number.isNaN(number)) return 'NaN';
  if (!Number.isFinite(number)) return number > 0 ? '∞' : '−∞';
  const size = Math.abs(number);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return number.toExponential(2).replace('e+', 'e').replaceAll('-', '−');
  if (Number.isInteger(number)) return number.toLocaleString('en').replace('-', '−');
  return Number(number.toPrecision(4)).toLocaleString('en', { maximumFractionDigits: 8 }).replace('-', '−');
}

/** A whole number with thousands apart. */
export function count(value: number): string {
  return value.toLocaleString('en');
}

/** `3 findings`, `1 finding`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A length of time in the unit that suits it. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(seconds / 3600);
  return `${count(hours)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** How long ago a moment was; `now` and `time` in seconds since 1970. */
export function ago(time: number, now: number): string {
  const seconds = Math.max(0, now - time);
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 86400 * 14) return `${Math.round(seconds / 86400)} d ago`;
  return new Date(time * 1000).toLocaleDateString('en', { year: 'numeric', month: 'short', day: 'numeric' });
}

/** Bytes in the unit that suits them. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  return `${(value / 1e6).toFixed(1)} MB`;
}
