// The x axis that curves and timeline share: epochs, or steps until the first epoch is over.
import type { Schemas } from '../../api/client';

type EpochMark = Schemas['EpochMark'];

/**
 * Epoch `e` is the column from e − ½ to e + ½: its metrics and findings lie at its middle, its
 * steps spread over it.
 */
export interface Axis {
  kind: 'epoch' | 'step';
  /** All of x. */
  domain: [number, number];
  /** Where a step lies. */
  at(step: number): number;
  /** The step nearest to an x. */
  step(x: number): number;
}

export interface Reached {
  /** Steps count from 0; null when not known for this segment. */
  step: number | null;
  epoch: number | null;
  /** The least step that is known of the segment; without it, where it began is estimated. */
  first?: number | null;
}

/** The axis of a segment from where its epochs ended and how far the run has come. */
export function axisOf(marks: readonly EpochMark[], segment: number, reached: Reached): Axis {
  const ends = marks.filter((mark) => mark.segment === segment && mark.step !== null);
  // pairs of a step's boundary and the x where it lies, ascending
  const anchors: [number, number][] = [];
  for (const mark of ends) {
    const last = anchors[anchors.length - 1];
    const step = (mark.step ?? 0) + 1;
    if (!last || (step > last[0] && mark.epoch + 0.5 > last[1])) anchors.push([step, mark.epoch + 0.5]);
  }
  const last = anchors[anchors.length - 1];
  if (!last) {
    const noSteps = reached.epoch !== null && reached.epoch > 0 && marks.some((mark) => mark.segment === segment);
    if (noSteps) return { kind: 'epoch', domain: [-0.5, (reached.epoch ?? 0) + 0.5], at: (step) => step, step: (x) => x };
    return { kind: 'step', domain: [0, Math.max(1, reached.step ?? 1)], at: (step) => step, step: Math.round };
  }
  anchors.unshift(begin(anchors, reached.first ?? null));
  const [firstStep, firstX] = anchors[0] ?? [0, -0.5];
  const perEpoch = Math.max(1, (last[0] - firstStep) / Math.max(1e-9, last[1] - firstX));
  const under = (reached.step ?? -1) + 1 > last[0] || (reached.epoch ?? -1) > last[1];
  return {
    kind: 'epoch',
    domain: [Math.min(-0.5, firstX), Math.max(last[1] + (under ? 1 : 0), (reached.epoch ?? 0) + 0.5)],
    at: (step) => between(anchors, step + 0.5, 0, 1, 1 / perEpoch),
    step: (x) => Math.max(0, Math.round(between(anchors, x, 1, 0, perEpoch) - 0.5)),
  };
}

/** Where the first epoch began: as long as the second one when it is not known and was not step 0. */
function begin(anchors: readonly [number, number][], first: number | null): [number, number] {
  const [step, x] = anchors[0] ?? [1, 0.5];
  // a first step near 0 is that of a loop that does not log each one
  if (first !== null && first < step && x === 0.5) return [first > 0.5 * (step - first) ? first : 0, -0.5];
  const second = anchors[1];
  if (!second) return [0, Math.min(-0.5, x - 1)];
  const size = (second[0] - step) / (second[1] - x);
  const start = step - size * (x + 0.5);
  return [start > 0.5 * size ? start : 0, -0.5];
}

function between(anchors: readonly [number, number][], value: number, from: 0 | 1, to: 0 | 1, beyond: number): number {
  let low = 0;
  let high = anchors.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((anchors[middle]?.[from] ?? 0) <= value) low = middle;
    else high = middle;
  }
  const a = anchors[low];
  const b = anchors[high];
  if (!a || !b) return value;
  if (value > b[from]) return b[to] + (value - b[from]) * beyond;
  const share = b[from] > a[from] ? (value - a[from]) / (b[from] - a[from]) : 0;
  return a[to] + share * (b[to] - a[to]);
}
