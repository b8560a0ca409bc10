import { describe, expect, it } from 'vitest';
import { factText, valueText, whenText } from './evidence';

describe('what was measured', () => {
  it('tells shares in percent', () => {
    expect(valueText(1, 'of validation')).toBe('100 % of validation');
    expect(valueText(0.8, 'dropped')).toBe('80 % dropped');
    expect(valueText(0.7, 'dropped', true)).toBe('70 %');
  });
  it('has its unit, also when there is one', () => {
    expect(valueText(1, 'layers')).toBe('1 layer');
    expect(valueText(3, 'layers')).toBe('3 layers');
    expect(valueText('nan', '')).toBe('NaN');
    expect(valueText(0.79, 'at epoch')).toBe('0.79');
    expect(valueText(1, 'from the model alone')).toBe('from the model alone');
  });
  it('says when', () => {
    expect(whenText({ step: 22, unit: 'at epoch' })).toBe('at epoch 22');
    expect(whenText({ step: 22, unit: '' })).toBe('at step 22');
    expect(whenText({ step: null, unit: '' })).toBe('');
  });
  it('names facts as people do', () => {
    expect(factText('input-std')).toBe('input std');
    expect([factText('metric', 'loss'), factText('dropout-rate', 'drop1')]).toEqual(['metric loss', 'dropout rate of drop1']);
  });
});
