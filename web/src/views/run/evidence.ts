// What was measured, in words and with units.
import type { Schemas } from '../../api/client';
import { decode, type Num, show } from '../../lib/numbers';

type Item = Schemas['EvidenceItem'];

/** Units that say of what a value is a share. */
const SHARES = ['of validation', 'dropped'];
/** Not a unit but how it was seen: there is no number to tell. */
const WITHOUT = ['from the model alone'];

/** `78.5 %` of a share, else the number with its unit; a limit needs no unit again. */
export function valueText(value: Num | null | undefined, unit: string, brief = false): string {
  const number = decode(value);
  if (WITHOUT.includes(unit)) return brief ? '' : unit;
  if (number !== null && SHARES.includes(unit)) {
    const text = show(number, 'fraction');
    return brief ? text : `${text} ${unit}`;
  }
  if (brief || unit === 'at epoch') return show(value);
  return show(value, number === 1 ? unit.replace(/s$/, '') : unit);
}

/** `at epoch 12`, `at step 400`. */
export function whenText(item: Pick<Item, 'step' | 'unit'>): string {
  if (item.step === null) return '';
  return `at ${item.unit === 'at epoch' ? 'epoch' : 'step'} ${show(item.step)}`;
}

/** `input std`, `dropout rate of drop1`, `metric loss`. */
export function factText(fact: string, name = ''): string {
  return [fact.replaceAll('-', ' '), name].filter(Boolean).join(fact === 'metric' ? ' ' : ' of ');
}
