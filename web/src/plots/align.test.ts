import { describe, expect, it } from 'vitest';
import { align, extent, logTicks, nearest, padded, pointAt, tickText } from './align';
import { panned, scaled } from './gestures';
import type { Line } from './lines';

const line = (x: number[], y: (number | null)[], more: Partial<Line> = {}): Line => ({
  id: 'a', label: 'a', color: 'red', x, y, ...more,
});

describe('align', () => {
  it('puts curves over one axis and tells a gap from no point', () => {
    const data = align([line([0, 2], [1, 3]), line([1, 2], [null, 5])], false);
    expect(data.x).toEqual([0, 1, 2]);
    expect(data.y).toEqual([[1, undefined, 3], [undefined, null, 5]]);
  });
  it('counts what cannot be drawn', () => {
    const data = align([line([0, 1, 2, 3, 4], [NaN, Infinity, -Infinity, 0, -1])], true);
    expect(data).toMatchObject({ nonFinite: 3, nonPositive: 2 });
    expect(data.y[0]).toEqual([null, null, null, null, null]);
  });
});

describe('reading a curve', () => {
  it('finds the nearest, the earlier one of two equally near', () => {
    expect([nearest([], 1), nearest([0, 10], 4), nearest([0, 10], 5), nearest([0, 10], 6), nearest([0, 10], 99)]).toEqual([-1, 0, 0, 1, 1]);
  });
  it('has nothing well beyond the ends', () => {
    const curve = line([10, 11, 12], [1, 2, 3]);
    expect([pointAt(curve, 8.9), pointAt(curve, 9.5), pointAt(curve, 13), pointAt(curve, 13.1)]).toEqual([-1, 0, 2, -1]);
  });
});

describe('ranges', () => {
  it('covers bands and limits, not what is outside the view', () => {
    const curve = line([0, 1, 2], [1, 2, 100], { low: [0.5, NaN, 0], high: [1, 3, 200] });
    expect(extent([curve], 0, 1, false, [4])).toEqual([0.5, 4]);
    expect(extent([line([0], [NaN])], 0, 1, false)).toBeNull();
    expect(extent([line([0, 1], [-1, 2])], 0, 1, true)).toEqual([2, 2]);
  });
  it('leaves air, and little below zero', () => {
    const [low, high] = padded([0, 1], false);
    expect(low).toBeGreaterThan(-0.05);
    expect(high).toBeGreaterThan(1);
    expect(padded([5, 5], false)).toEqual([4.5, 5.5]);
    expect(padded(null, true)).toEqual([0.1, 10]);
  });
  it('ticks decades, or their parts when there are few', () => {
    expect(logTicks(0.9, 1100)).toEqual([1, 10, 100, 1000]);
    expect(logTicks(0.9, 11)).toEqual([1, 2, 5, 10]);
    expect(logTicks(1e-12, 1e12).length).toBeLessThan(9);
  });
  it('writes ticks with the digits they need', () => {
    expect([tickText(0.25, 0.05), tickText(1e-6, 1e-6), tickText(12000, 2000), tickText(-3, 1)]).toEqual(['0.25', '1e−6', '12,000', '−3']);
    expect([tickText(1.75, 0.25), tickText(0.5, 0.25), tickText(1.25e6, 2.5e5), tickText(1.5, 1.5)]).toEqual(['1.75', '0.5', '1.25e6', '1.5']);
  });
});

describe('moving', () => {
  it('stays inside', () => {
    expect(panned([2, 4], 100, [0, 10])).toEqual([8, 10]);
    expect(panned([2, 4], -100, [0, 10])).toEqual([0, 2]);
  });
  it('zooms around a point and ends at all', () => {
    expect(scaled([0, 10], 0.5, 5, [0, 10])).toEqual([2.5, 7.5]);
    expect(scaled([2.5, 7.5], 4, 5, [0, 10])).toBeNull();
  });
});
