// Moving over a plot: pan with shift-drag, wheel or one finger; zoom by pinch.
export interface Viewport {
  /** What is shown now. */
  view(): [number, number];
  /** All there is. */
  full(): [number, number];
  /** The x value under a client coordinate. */
  at(clientX: number): number;
  /** Show this; null is all. */
  show(range: [number, number] | null): void;
}

/** The range moved by a distance, kept inside of all there is. */
export function panned(range: [number, number], by: number, full: [number, number]): [number, number] {
  const width = range[1] - range[0];
  const from = Math.min(Math.max(range[0] + by, full[0]), Math.max(full[0], full[1] - width));
  return [from, from + width];
}

/** The range wider or narrower by a factor around a point; null when that is all there is. */
export function scaled(
  range: [number, number],
  factor: number,
  around: number,
  full: [number, number],
): [number, number] | null {
  const from = Math.max(full[0], around - (around - range[0]) * factor);
  const to = Math.min(full[1], around + (range[1] - around) * factor);
  if (to - from >= (full[1] - full[0]) * 0.999) return null;
  return to - from > (full[1] - full[0]) * 1e-7 ? [from, to] : range;
}

/** Listen on the plotting area; returns what stops it. */
export function listen(area: HTMLElement, port: Viewport): () => void {
  const fingers = new Map<number, number>();
  let grab: number | null = null; // x value under the pointer when the pan began
  let pinch: number | null = null;

  const wheel = (event: WheelEvent): void => {
    if (event.ctrlKey) {
      event.preventDefault();
      port.show(scaled(port.view(), Math.exp(event.deltaY * 0.01), port.at(event.clientX), port.full()));
      return;
    }
    const by = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (Math.abs(by) <= (event.shiftKey ? 0 : Math.abs(event.deltaY))) return; // the page scrolls
    event.preventDefault();
    const [from, to] = port.view();
    if (to - from < port.full()[1] - port.full()[0])
      port.show(panned([from, to], (by / Math.max(1, area.clientWidth)) * (to - from), port.full()));
  };
  const down = (event: PointerEvent): void => {
    const touch = event.pointerType === 'touch';
    if (!touch && !(event.shiftKey && event.button === 0)) return;
    if (touch) fingers.set(event.pointerId, event.clientX);
    else event.preventDefault();
    area.setPointerCapture(event.pointerId);
    grab = port.at(event.clientX);
    pinch = spread();
  };
  const spread = (): number | null => {
    const [first, second] = [...fingers.values()];
    return first !== undefined && second !== undefined ? Math.max(8, Math.abs(first - second)) : null;
  };
  const move = (event: PointerEvent): void => {
    if (grab === null) return;
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event.clientX);
    const now = spread();
    if (now !== null && pinch !== null) {
      const [first = 0, second = 0] = [...fingers.values()];
      port.show(scaled(port.view(), pinch / now, port.at((first + second) / 2), port.full()));
      pinch = now;
      return;
    }
    const view = port.view();
    if (view[1] - view[0] < port.full()[1] - port.full()[0])
      port.show(panned(view, grab - port.at(event.clientX), port.full()));
  };
  const up = (event: PointerEvent): void => {
    fingers.delete(event.pointerId);
    pinch = spread();
    if (fingers.size === 0) grab = null;
  };

  area.addEventListener('wheel', wheel, { passive: false });
  area.addEventListener('pointerdown', down);
  area.addEventListener('pointermove', move);
  area.addEventListener('pointerup', up);
  area.addEventListener('pointercancel', up);
  return () => {
    area.removeEventListener('wheel', wheel);
    area.removeEventListener('pointerdown', down);
    area.removeEventListener('pointermove', move);
    area.removeEventListener('pointerup', up);
    area.removeEventListener('pointercancel', up);
  };
}
