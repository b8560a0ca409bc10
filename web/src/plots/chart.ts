// A uPlot chart that shows what its source gives; LinePlot.svelte owns one.
import uPlot from 'uplot';
import { align, type Aligned, extent, logTicks, padded, tickText } from './align';
import { LEFT, RIGHT } from './frame';
import { paintLimits, paintName, paintRim, paintShades, paintUnder } from './paint';
import type { Limit, Line, Shade } from './lines';

/** What the chart reads each time it draws. */
export interface Source {
  lines(): readonly Line[];
  shades(): readonly Shade[];
  limits(): readonly Limit[];
  range(): [number, number];
  selected(from: number, to: number): void;
  moved(x: number | null): void;
}

export interface Shape {
  width: number;
  height: number;
  log: boolean;
  compact: boolean;
  xLabel: string;
}

const WHOLE = [1, 2, 5].flatMap((n) => Array.from({ length: 10 }, (_, p) => n * 10 ** p)).sort((a, b) => a - b);
const PARTS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, ...WHOLE];

/** Reads CSS colours of an element, as they are now. */
export function colours(host: HTMLElement): (text: string) => string {
  const style = getComputedStyle(host); // live: follows the theme
  return (text) => {
    const name = /^var\((--[\w-]+)\)$/.exec(text)?.[1];
    return name ? style.getPropertyValue(name).trim() || '#888' : text;
  };
}

export function chart(host: HTMLElement, source: Source, shape: Shape): { plot: uPlot; fill: () => Aligned } {
  const colour = colours(host);
  const style = getComputedStyle(host);
  const font = (): string => `${11 * devicePixelRatio}px ${style.fontFamily}`;
  const ink = (): string => colour('var(--ink-faint)');
  const grid = { stroke: () => colour('var(--line)'), width: 1 };
  const { log, compact } = shape;
  const axis: uPlot.Axis = {
    stroke: ink,
    grid,
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
    labelFont: `11px ${style.fontFamily}`,
  };
  const plot = new uPlot(
    {
      width: shape.width,
      height: shape.height,
      padding: [8, RIGHT, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: !compact, y: false, setScale: false, dist: 4 },
        points: { size: 7, width: 2, fill: () => colour('var(--surface)') },
        bind: {
          mousedown: (_u, _target, handler) => (event) => {
            // shift-drag pans; the emulated mouse of a finger must not zoom
            if (event.button === 0 && !event.shiftKey) handler(event);
            return null;
          },
          dblclick: () => null, // handled by the component
        },
      },
      scales: {
        x: { time: false, range: () => source.range() },
        y: {
          distr: log ? 3 : 1,
          range: () => {
            const limits = source.limits().map((limit) => limit.value);
            return padded(extent(source.lines(), ...source.range(), log, limits), log);
          },
        },
      },
      axes: [
        {
          ...axis,
          size: compact ? 20 : 24,
          gap: 4,
          space: 48,
          // epochs are whole; between two of them there are steps
          incrs: (_u, _axis, min, max) => (max - min >= (shape.xLabel === 'epoch' ? 1 : 3) ? WHOLE : PARTS),
          values: (_u, splits, _axis, _space, step) => splits.map((value) => tickText(value, step)),
          grid: { ...grid, show: !compact },
        },
        {
          ...axis,
          size: LEFT,
          gap: 6,
          space: compact ? 30 : 34,
          ...(log ? { splits: (_u: uPlot, _i: number, min: number, max: number) => logTicks(min, max, compact ? 3 : 7) } : {}),
          values: (_u, splits, _axis, _space, step) => splits.map((value) => tickText(value, log ? value : step)),
          filter: (_u, splits) => splits,
        },
      ],
      series: [
        {},
        ...source.lines().map((line): uPlot.Series => ({
          label: line.label,
          stroke: () => colour(line.color),
          width: compact ? 1.5 : 1.8,
          ...(line.dash ? { dash: [...line.dash] } : {}),
          points: { size: 4.5, fill: () => colour(line.color), space: 14 },
        })),
      ],
      hooks: {
        drawClear: [(u) => paintShades(u, source.shades(), colour)],
        drawAxes: [(u) => paintUnder(u, source.lines(), log, colour)],
        draw: [
          (u) => {
            paintRim(u, source.lines(), colour);
            paintLimits(u, source.limits(), log, colour, font());
            if (!compact) paintName(u, shape.xLabel, ink(), font());
          },
        ],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const from = u.posToVal(u.select.left, 'x');
            const to = u.posToVal(u.select.left + u.select.width, 'x');
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            source.selected(from, to);
          },
        ],
        setCursor: [
          (u) => {
            const index = u.cursor.idx;
            const inside = (u.cursor.left ?? -1) >= 0 && index !== null && index !== undefined;
            source.moved(inside ? (u.data[0][index] ?? null) : null);
          },
        ],
      },
    },
    undefined,
    host,
  );
  const fill = (): Aligned => {
    const data = align(source.lines(), log);
    plot.setData([data.x, ...data.y] as uPlot.AlignedData, true);
    return data;
  };
  return { plot, fill };
}
