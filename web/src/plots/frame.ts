// The frame of a plot in CSS pixels, shared so that a timeline below lies exactly under the curves.
export const LEFT = 58;
export const RIGHT = 14;
