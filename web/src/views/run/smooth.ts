// Smoothing of curves.

/**
 * Exponential moving average, corrected for its start so that it does not begin at zero.
 * `weight` is the share of what came before, 0 (none) to below 1. What is not finite stays as it
 * is and does not spread.
 */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return [...values];
  const kept = Math.min(weight, 0.999);
  let mean = 0;
  let scale = 0;
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return value;
    mean = kept * mean + (1 - kept) * value;
    scale = kept * scale + (1 - kept);
    return mean / scale;
  });
}
