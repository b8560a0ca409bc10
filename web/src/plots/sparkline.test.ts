import { expect, it } from 'vitest';
import { inWords, sparkline } from './sparkline';

it('draws within its box', () => {
  const { path, end, broken } = sparkline([3, 1, 2], 100, 30);
  expect(path).toBe('M2.0 2.0L50.0 28.0L98.0 15.0');
  expect(end).toEqual({ x: 98, y: 15 });
  expect(broken).toEqual([]);
});

it('breaks where values are not finite and says where', () => {
  const { path, broken, end } = sparkline([1, 2, 'nan', 'inf', 3], 104, 30);
  expect(path.match(/M/g)).toHaveLength(2);
  expect(broken).toEqual([52]);
  expect(end?.x).toBe(102);
});

it('takes one value, none, a flat curve and nothing finite', () => {
  expect(sparkline([5], 100, 30).end).toEqual({ x: 98, y: 15 });
  expect(sparkline([], 100, 30)).toEqual({ path: '', end: null, broken: [] });
  expect(sparkline([2, 2], 100, 30).path).toBe('M2.0 15.0L98.0 15.0');
  expect(sparkline(['nan', 'nan'], 100, 30)).toEqual({ path: '', end: null, broken: [50] });
});

it('shows wide ranges on a logarithm, so that a high start does not flatten the rest', () => {
  const { path } = sparkline([1000, 10, 1], 100, 30);
  expect(path).toBe('M2.0 2.0L50.0 19.3L98.0 28.0');
});

it('says the curve in words', () => {
  expect(inWords('validation loss', [2, 1, 1.5])).toBe('validation loss: from 2 to 1.5, lowest 1, highest 2');
  expect(inWords('loss', [1, 'nan'])).toBe('loss: from 1 to NaN, 1 of 2 values not finite');
  expect(inWords('loss', [])).toBe('loss: no value yet');
});
