// What a reader chose on the page of a run, as it stands in the address.
import type { Filter } from './filter';

export interface Chosen extends Filter {
  finding: string | null;
  open: boolean;
  file: string | null;
  line: number | null;
  metric: string | null;
  segment: number | null;
  log: boolean;
  smooth: number;
  /** Only as long as the x axis is of this kind. */
  zoom: { kind: 'epoch' | 'step'; range: [number, number] } | null;
  stacked: boolean;
}

const whole = (text: string | null): number | null => (text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null);

/** Read the parameters; what makes no sense is left out. */
export function chosen(query: URLSearchParams): Chosen {
  const smooth = Number(query.get('smooth') ?? 0);
  return {
    finding: query.get('finding'),
    open: query.get('open') === '1',
    epoch: whole(query.get('epoch')),
    file: query.get('file'),
    line: whole(query.get('line')),
    metric: query.get('metric'),
    segment: whole(query.get('segment')),
    log: query.get('log') === '1',
    smooth: smooth > 0 && smooth < 1 ? smooth : 0,
    zoom: zoomOf(query.get('zoom')),
    stacked: query.get('timeline') === 'stacked',
    severities: query.getAll('severity'),
    kind: query.get('kind') ?? '',
    cause: query.get('cause') ?? '',
    layer: query.get('layer') ?? '',
    text: query.get('q') ?? '',
  };
}

function zoomOf(text: string | null): Chosen['zoom'] {
  const found = /^([es])(-?[\d.]+)~(-?[\d.]+)$/.exec(text ?? '');
  if (!found) return null;
  const range: [number, number] = [Number(found[2]), Number(found[3])];
  if (!range.every(Number.isFinite) || range[0] >= range[1]) return null;
  return { kind: found[1] === 'e' ? 'epoch' : 'step', range };
}

/** The parameter for a zoom. */
export function zoomText(kind: 'epoch' | 'step', range: [number, number] | null): string | null {
  if (!range) return null;
  const short = (value: number): string => String(Number(value.toFixed(kind === 'epoch' ? 4 : 0)));
  return `${kind === 'epoch' ? 'e' : 's'}${short(range[0])}~${short(range[1])}`;
}
