import { describe, expect, it } from 'vitest';
import { density, quantile } from './density';

const P = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1];
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('density from quantiles', () => {
  it('is flat for a uniform distribution', () => {
    const found = density(P, P.map((p) => p * 10), 20);
    expect(sum(found?.mass ?? [])).toBeCloseTo(1, 9);
    for (const mass of found?.mass ?? []) expect(mass).toBeCloseTo(0.05, 9);
    expect(found?.x[0]).toBeCloseTo(0.25, 9);
  });

  it('has its peak where the values are', () => {
    const found = density(P, [-3.5, -2.33, -1.64, -0.67, 0, 0.67, 1.64, 2.33, 3.5]);
    const top = (found?.mass ?? []).indexOf(Math.max(...(found?.mass ?? [])));
    expect(Math.abs(found?.x[top] ?? 9)).toBeLessThan(0.7);
    expect(sum(found?.mass ?? [])).toBeCloseTo(1, 9);
  });

  it('keeps values that stand at one number apart', () => {
    const found = density(P, [0, 0, 0, 0, 0.1, 0.5, 1.4, 2.2, 4]);
    expect(found?.atoms).toHaveLength(1);
    expect(found?.atoms[0]?.value).toBe(0);
    expect(found?.atoms[0]?.mass).toBeCloseTo(0.25, 9);
    expect(sum(found?.mass ?? [])).toBeCloseTo(0.75, 9);
  });

  it('is one atom when all values are the same', () => {
    const found = density(P, P.map(() => 2));
    expect(found?.atoms).toEqual([{ value: 2, mass: 1 }]);
    expect(sum(found?.mass ?? [])).toBe(0);
  });

  it('is none when a quantile is not finite or they fall', () => {
    expect(density(P, P.map((p) => (p === 1 ? NaN : p)))).toBeNull();
    expect(density([0, 1], [2, 1])).toBeNull();
    expect(density([], [])).toBeNull();
    expect(density([0, 1], [1])).toBeNull();
  });

  it('reads a recorded quantile', () => {
    expect(quantile(P, P, 0.5)).toBe(0.5);
    expect(quantile(P, P, 0.4)).toBeNull();
  });
});
