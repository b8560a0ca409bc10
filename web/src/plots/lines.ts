// What a line plot shows; LinePlot.svelte draws it.

/** One curve. */
export interface Line {
  /** Stable identity: a live update never moves a selection. */
  id: string;
  label: string;
  /** A CSS colour or a variable such as `var(--curve-1)`. */
  color: string;
  dash?: readonly number[];
  x: readonly number[];
  /** NaN and ±Infinity are drawn as marks at the rim, null is a gap. */
  y: readonly (number | null)[];
  /** Extremes of each stretch when the server thinned the points: drawn as a band. */
  low?: readonly (number | null)[] | null;
  high?: readonly (number | null)[] | null;
  /** Under the smoothed curve the raw one is drawn faintly. */
  raw?: readonly (number | null)[];
}

/** A stretch of the x axis to shade. */
export interface Shade {
  from: number;
  to: number;
  color: string;
}

/** A horizontal line, such as a limit. */
export interface Limit {
  value: number;
  label: string;
}
