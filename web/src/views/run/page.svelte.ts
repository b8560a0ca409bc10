// The page of a run: what was read, what the reader chose, and what follows from both.
/* eslint-disable svelte/prefer-svelte-reactivity -- plain maps are replaced as a whole or never shown */
import type { Card } from '../../api/client';
import { route } from '../../state/route.svelte';
import { type Axis, axisOf } from './axis';
import { RunData } from './data.svelte';
import { groups } from './curves';
import { listed, ordered, walk } from './filter';
import { Points } from './points.svelte';
import { chosen, zoomText } from './state';
import { seenIn, spansOf } from './timeline';

export class RunPage {
  readonly data: RunData;
  readonly points: Points;
  /** An x that curves or timeline hover, marked in all of them. */
  hovered = $state<number | null>(null);
  /** Grows when a selection was made elsewhere and is to be shown here. */
  shown = $state(0);

  /** The finding to fix first, shown open until the reader selects one. */
  lead = $state<string | null>(null);
  private led = false;

  readonly chosen = $derived(chosen(route.query));
  readonly cards = $derived.by(() => ordered(this.data.cards, this.data.order));
  readonly list = $derived.by(() => listed(this.cards, this.chosen));
  readonly selected = $derived.by(() => this.data.cards.get(this.chosen.finding ?? '') ?? null);
  readonly segment = $derived.by(() => this.chosen.segment ?? this.selected?.segment ?? this.mainSegment);
  readonly axis = $derived.by(() => this.axisFor(this.segment));
  readonly groups = $derived.by(() => groups(this.data.series, this.segment));
  readonly group = $derived.by(() => {
    const wanted = this.groups.find((group) => group.id === this.chosen.metric);
    if (wanted) return wanted;
    // until an epoch is over there is little but the loss by step
    return (this.axis.kind === 'step' && this.groups.find((group) => group.id === 'loss')) || this.groups[0] || null;
  });
  /** Findings on the timeline: of this segment, not muted, as the filter says but for the epoch. */
  readonly timed = $derived.by(() => {
    const list = listed(this.cards, { ...this.chosen, epoch: null });
    const rest = [...list.folded.values()].flat();
    const keep = new Set([...list.shown, ...rest].map((card) => card.key));
    return this.cards.filter((card) => keep.has(card.key) && card.segment === this.segment);
  });
  readonly zoom = $derived(this.chosen.zoom?.kind === this.axis.kind ? this.chosen.zoom.range : null);
  readonly file = $derived.by(() => {
    const { file } = this.chosen;
    const sources = this.data.detail?.sources ?? [];
    if (file !== null && sources.includes(file)) return file;
    const located = this.selected?.location?.source ?? this.cards.find((card) => card.location?.source)?.location?.source;
    return located ?? sources[0] ?? null;
  });

  constructor(readonly run: string) {
    this.data = new RunData(run);
    this.points = new Points(run);
  }

  private readonly mainSegment = $derived.by(() => {
    const ended = new Map<number, number>();
    for (const mark of this.data.detail?.epochs ?? []) ended.set(mark.segment, (ended.get(mark.segment) ?? 0) + 1);
    const [first] = [...ended].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    return first?.[0] ?? this.data.series[0]?.segment ?? 0;
  });

  /** The least step of the curves by step that were read. */
  private readonly first = $derived.by(() => {
    let first: number | null = null;
    for (const info of this.data.series) {
      const step = info.segment === this.segment && info.axis === 'step' ? this.points.whole(info.key)?.steps[0] : undefined;
      if (step !== undefined) first = Math.min(first ?? step, step);
    }
    return first;
  });

  /** The x axis of a segment. */
  axisFor(segment: number): Axis {
    const detail = this.data.detail;
    const marks = detail?.epochs ?? [];
    let epoch: number | null = null;
    for (const card of this.data.cards.values())
      if (card.segment === segment) for (const [, to] of spansOf(card)) epoch = Math.max(epoch ?? 0, to);
    const step = detail && detail.segments <= 1 && detail.row.steps > 0 ? detail.row.steps - 1 : null;
    return axisOf(marks, segment, { step, epoch, first: segment === this.segment ? this.first : null });
  }

  /** Select a finding; what its line and epochs are follows from it. */
  select(key: string | null, open?: boolean): void {
    this.led = true;
    this.lead = null;
    route.set({
      finding: key,
      open: key !== null && (open ?? this.chosen.open) ? 1 : null,
      file: null,
      line: null,
      segment: null,
    });
    this.shown += 1;
  }

  /** Open what to fix first, once, where the address chooses nothing; what comes later moves nothing. */
  showLead(): void {
    if (this.led || !this.data.read || !this.cards.length) return;
    this.led = true;
    const { finding, epoch, file, line } = this.chosen;
    if (finding === null && epoch === null && file === null && line === null) this.lead = this.list.shown[0]?.key ?? null;
  }

  /** Select a finding where the filter may hide it. */
  reveal(key: string): void {
    const card = this.data.cards.get(key);
    const { epoch } = this.chosen;
    if (card && !walk(this.list).includes(key) && !this.list.muted.includes(card))
      route.set({ severity: null, kind: null, cause: null, layer: null, q: null });
    if (card && epoch !== null && !seenIn(card, epoch)) route.set({ epoch: null });
    this.select(key, true);
  }

  /** Show the findings of an epoch; null shows those of all. */
  pickEpoch(epoch: number | null): void {
    const card = this.selected;
    const drop = epoch !== null && card !== null && !seenIn(card, epoch);
    route.set({ epoch, ...(drop ? { finding: null, open: null } : {}) });
  }

  /** The epoch at an x of the shared axis. */
  epochAt(x: number): number {
    return this.axis.kind === 'epoch' ? Math.max(0, Math.round(x)) : 0;
  }

  /** Enlarge a metric. */
  chooseMetric(id: string): void {
    route.set({ metric: id });
  }

  setZoom(range: [number, number] | null): void {
    route.set({ zoom: zoomText(this.axis.kind, range) });
  }

  /** Take back what was chosen, the narrowest first. */
  clear(): void {
    if (this.chosen.finding !== null) this.select(null);
    else if (this.chosen.epoch !== null) this.pickEpoch(null);
    else if (this.chosen.zoom) this.setZoom(null);
  }

  /** The next or previous finding in the order of the list. */
  move(by: 1 | -1): void {
    const keys = walk(this.list);
    if (!keys.length) return;
    const at = keys.indexOf(this.chosen.finding ?? '');
    const next = at < 0 ? (by > 0 ? 0 : keys.length - 1) : Math.min(keys.length - 1, Math.max(0, at + by));
    this.select(keys[next] ?? null);
  }
}

/** `train.py:27`. */
export function placeText(card: Card): string {
  const { location } = card;
  if (!location) return '';
  const name = location.file.split(/[\\/]/).pop() ?? location.file;
  return location.cell === null || location.cell === undefined ? `${name}:${location.line}` : `cell ${location.cell}:${location.line}`;
}
