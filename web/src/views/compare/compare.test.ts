import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../api/client';
import { parseDiff } from './diff';
import { byName, change, direction, findingsSentence, mainMetric, mood, sameLoss } from './summary';

type Finding = Schemas['ComparedFinding'];
const finding = (verdict: Finding['verdict']): Finding => ({
  id: 'a', check: 'a', title: 'a', severity: 'error', states: [], keys: [], verdict,
});
const all = (...verdicts: Finding['verdict'][]) => verdicts.map(finding);
const metric = (name: string, phase: string, ...last: (number | 'nan' | null)[]): Schemas['ComparedMetric'] => ({ name, phase, axis: 'epoch', keys: [], last });

describe('did my fix work', () => {
  it('says what became of the findings', () => {
    expect(findingsSentence(all('gone', 'gone', 'remaining'))).toBe('2 of 3 findings are gone, 1 remains, none appeared');
    expect(findingsSentence(all('gone', 'remaining', 'remaining', 'appeared'))).toBe('1 of 3 findings is gone, 2 remain, 1 appeared');
    expect(findingsSentence(all('gone', 'gone'))).toBe('All 2 findings are gone, none appeared');
    expect(findingsSentence(all('gone'))).toBe('The finding is gone, none appeared');
    expect(findingsSentence(all('remaining'))).toBe('The finding remains, none appeared');
    expect(findingsSentence(all('remaining', 'remaining', 'appeared'))).toBe('All 2 findings remain, 1 appeared');
    expect(findingsSentence(all('appeared'))).toBe('The first run had no finding; 1 appeared');
    expect(findingsSentence([])).toBe('Nothing was found, before or after');
  });

  it('has a mood', () => {
    expect(mood(all('gone'))).toBe('good');
    expect(mood(all('gone', 'remaining'))).toBe('mixed');
    expect(mood(all('remaining'))).toBe('bad');
    expect(mood([])).toBe('same');
  });

  it('chooses the metric to speak of', () => {
    const metrics = [metric('loss', 'validation', 1, 2), metric('accuracy', 'train', 1, 2), metric('accuracy', 'validation', 0.71, 0.89)];
    expect(mainMetric(metrics)).toBe(metrics[2]);
    expect(mainMetric([metric('f1', 'validation', null, 1), metric('loss', 'train', 1, 2)])?.name).toBe('loss');
    expect(mainMetric([])).toBeNull();
  });

  it('knows what is better', () => {
    expect(change(metric('accuracy', 'validation', 0.71, 0.89))).toEqual({ name: 'validation accuracy', text: '0.71 → 0.89', better: true });
    expect(change(metric('loss', 'train', 1, 2)).better).toBe(false);
    expect(change(metric('loss', 'train', 'nan', 2)).better).toBe(true);
    expect(change(metric('loss', 'train', 'nan', 'nan')).better).toBeNull();
    expect(change(metric('loss', 'train', -1830, 0.7), false).better).toBeNull();
    expect(change(metric('beta', '', 1, 2)).better).toBeNull();
    expect([direction('val_acc'), direction('cross_entropy'), direction('x')]).toEqual([1, -1, 0]);
  });

  it('does not compare values of different losses', () => {
    const setting = (name: string, same: boolean) => ({ name, values: [], same });
    expect(sameLoss({ settings: [setting('loss', true), setting('seed', false)] })).toBe(true);
    expect(sameLoss({ settings: [setting('loss', false)] })).toBe(false);
    expect(sameLoss({ settings: [setting('loss reads', false)] })).toBe(false);
  });

  it('puts phases together, the loss first', () => {
    const groups = byName([metric('acc', 'train', 1), metric('loss', 'train', 1), metric('loss', 'validation', 1)]);
    expect(groups.map((group) => [group.title, group.phases.length])).toEqual([['loss', 2], ['acc', 1]]);
  });

  it('shows what programs log as metrics, and by step where they are known by epoch', () => {
    const logged = [metric('loss', 'validation', 1, 2), metric('loss', 'train', 1, 2)].map((one) => ({ ...one, axis: 'step' as const }));
    const titles = (all: Schemas['ComparedMetric'][]) => byName(all).map((group) => [group.id, group.title, group.axis, group.phases.length]);
    expect(titles(logged)).toEqual([['step:loss', 'loss', 'step', 2]]);
    const both = [...logged, metric('acc', 'train', 1), metric('loss', 'train', 3, 4)];
    expect(titles(both)).toEqual([['epoch:loss', 'loss', 'epoch', 1], ['epoch:acc', 'acc', 'epoch', 1], ['step:loss', 'loss by step', 'step', 2]]);
    expect(mainMetric([...logged, metric('loss', 'validation', 3, 4)])?.last).toEqual([3, 4]);
  });
});

describe('parsing a difference', () => {
  const text = '--- a/t.py\n+++ b/t.py\n@@ -3,3 +3,4 @@ def f():\n same\n-old\n+new\n++plus\n \n@@ -40 +41 @@\n--x\n+-x';

  it('numbers the lines on both sides', () => {
    const diff = parseDiff(text);
    expect([diff.added, diff.removed, diff.hunks.length, diff.message]).toEqual([3, 2, 2, '']);
    expect(diff.hunks[0]?.place).toBe('def f():');
    expect(diff.hunks[0]?.lines).toEqual([
      { kind: 'same', before: 3, after: 3, text: 'same' },
      { kind: 'removed', before: 4, after: null, text: 'old' },
      { kind: 'added', before: null, after: 4, text: 'new' },
      { kind: 'added', before: null, after: 5, text: '+plus' },
      { kind: 'same', before: 5, after: 6, text: '' },
    ]);
    expect(diff.hunks[1]?.lines.map((line) => line.text)).toEqual(['-x', '-x']);
  });

  it('takes lines that look like the head of a file', () => {
    expect(parseDiff('--- a\n+++ b\n@@ -1 +1 @@\n--- x\n+++ y').hunks[0]?.lines.map((line) => line.text)).toEqual(['-- x', '++ y']);
  });

  it('keeps a sentence, takes nothing, and ends where the text ends', () => {
    expect(parseDiff('the files are larger than 400,000 characters').message).toContain('larger');
    expect(parseDiff('')).toEqual({ hunks: [], added: 0, removed: 0, message: '' });
    expect(parseDiff('@@ -1 +1 @@\n-a\n+b\n').hunks[0]?.lines).toHaveLength(2);
    expect(parseDiff('@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file').hunks[0]?.lines).toHaveLength(2);
  });
});
