"""The style of a report: the colours of the web application, light, dark and on paper."""

from __future__ import annotations

_LIGHT = """
--ground:#f6f5f1;--surface:#fff;--raised:#fbfaf7;--line:#dedbd2;--line-strong:#b9b5a8;
--ink:#1d2a2d;--ink-soft:#4c5a5d;--accent:#0f6b6f;--select:#f2b13440;
--critical:#a4195e;--error:#c94f00;--warning:#b88300;--info:#2f74b5;--good:#1c7a4f;
--critical-soft:#f9e3ee;--error-soft:#fdebdc;--warning-soft:#fbf1d6;--info-soft:#e2eef9;
--good-soft:#def1e7;--c1:#0f6b6f;--c2:#c8680a;--c3:#7b4ea3;--c4:#2f74b5;--c5:#b0417a;--c6:#6b7a12;
"""
_DARK = """
--ground:#12181a;--surface:#1a2225;--raised:#20292c;--line:#313d41;--line-strong:#55646a;
--ink:#e6ecec;--ink-soft:#b3c0c2;--accent:#5cc4bf;--select:#f2b13430;
--critical:#f283b5;--error:#ff9d57;--warning:#e9bf4a;--info:#7db8f0;--good:#6dd3a0;
--critical-soft:#3d1c2d;--error-soft:#3d2615;--warning-soft:#372d12;--info-soft:#16293a;
--good-soft:#15332a;--c1:#5cc4bf;--c2:#f0a04b;--c3:#b79ae0;--c4:#7db8f0;--c5:#ee92bf;--c6:#bccb52;
"""
_KINDS = ("critical", "error", "warning", "info")
_CURVES = range(1, 7)

_PAGE = """
*,*::before,*::after{box-sizing:border-box}
html{font:400 15px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"DejaVu Sans",sans-serif;background:var(--ground);color:var(--ink);-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1240px;padding:28px 24px 56px}
h1,h2,h3,h4{line-height:1.25;margin:0;font-weight:650;overflow-wrap:anywhere}
h1{font-size:1.7rem}h2{font-size:1.15rem;margin:36px 0 12px}h3{font-size:1.05rem}
h4{font-size:.8rem;color:var(--ink-soft);margin:16px 0 4px;font-weight:600}
p{margin:0 0 8px;overflow-wrap:anywhere}ul{margin:0 0 8px;padding-left:20px}
a{color:var(--accent);text-underline-offset:2px}
code,pre{font-family:ui-monospace,"SFMono-Regular",Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{font-size:.9em;background:color-mix(in srgb,var(--ink) 8%,transparent);border-radius:4px;
padding:.05em .3em;overflow-wrap:anywhere}
pre{margin:0;font-size:.8rem;line-height:1.5;overflow-x:auto;padding:10px 12px;
background:var(--raised);border:1px solid var(--line);border-radius:6px;tab-size:4}
.soft,small{color:var(--ink-soft)}
header .brand{display:flex;align-items:center;gap:8px;color:var(--ink-soft);font-size:.85rem;
margin-bottom:10px}
header .facts{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:8px;color:var(--ink-soft)}
.chip{display:inline-block;font-size:.8rem;font-weight:600;border-radius:99px;padding:1px 10px;
vertical-align:middle;border:1px solid var(--line-strong);margin-left:6px;font-style:normal}
.chip.finished{background:var(--good-soft);border-color:transparent;color:var(--good)}
.chip.crashed,.chip.killed{background:var(--critical-soft);border-color:transparent;
color:var(--critical)}
.panel{background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:16px 18px}
.counts{display:flex;flex-wrap:wrap;gap:10px;margin-top:18px}
.counts span{display:flex;align-items:center;gap:8px;border-radius:8px;padding:8px 14px}
.counts b{font-size:1.25rem;font-variant-numeric:tabular-nums}
.sign{flex:none}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:14px}
.plot{margin:0;background:var(--surface);border:1px solid var(--line);border-radius:8px;
padding:12px 12px 8px;min-width:0;break-inside:avoid}
.plot figcaption{display:flex;flex-wrap:wrap;gap:2px 14px;justify-content:space-between;
margin:0 4px 4px;overflow-wrap:anywhere}
.card .plot{max-width:470px;margin-top:10px}
.plot svg[viewBox]{display:block;width:100%;height:auto}
.legend{display:flex;flex-wrap:wrap;gap:0 12px;font-size:.8rem;color:var(--ink-soft)}
.legend span{display:inline-flex;align-items:center;gap:5px}
.legend em{font-style:normal;color:var(--ink);font-variant-numeric:tabular-nums}
svg text{font:12px ui-sans-serif,system-ui,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
fill:var(--ink-soft);font-variant-numeric:tabular-nums}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}
svg .grid{stroke:var(--line);stroke-width:1}svg .axis{stroke:var(--line-strong);fill:none}
svg .lost{stroke:var(--critical);stroke-width:1.6;fill:none}
svg .limit{stroke:var(--ink-soft);stroke-dasharray:3 3;fill:none}
svg .rail{fill:var(--line)}
.timeline{display:grid;grid-template-columns:minmax(180px,32%) 1fr;gap:4px 16px;align-items:center}
.timeline .name{display:flex;gap:8px;align-items:center;color:var(--ink);text-decoration:none;
font-size:.85rem;min-width:0;line-height:1.3}
.timeline a.name:hover span{text-decoration:underline}
.timeline .sign{margin-top:1px}
.timeline div.name{justify-content:flex-end}
.timeline svg{display:block;overflow:visible}
.card{background:var(--surface);border:1px solid var(--line);border-left:4px solid;
border-radius:8px;padding:16px 18px;margin-bottom:14px;scroll-margin-top:12px}
.card>header{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline;margin-bottom:6px}
.card>header .kind{display:inline-flex;gap:6px;align-items:center;font-size:.8rem;font-weight:600}
.card>header h3{flex:1 1 260px}
.card .message{font-size:1rem;margin-bottom:10px}
.card .meta{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.85rem;color:var(--ink-soft)}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 24px}
.columns>div{min-width:0}
.note{background:var(--raised);border:1px solid var(--line);border-radius:6px;padding:8px 12px;
font-size:.9rem;margin:8px 0}
.diff span{display:block;margin:0 -12px;padding:0 12px;min-height:1.5em}
.diff .add{background:var(--good-soft)}.diff .cut{background:var(--critical-soft)}
ol.fixes{margin:0;padding-left:22px}ol.fixes li{margin-bottom:6px}
.caution{color:var(--ink-soft);font-size:.9rem}
.table{overflow-x:auto}
table{border-collapse:collapse;font-size:.87rem;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);
vertical-align:top;overflow-wrap:break-word}
th{color:var(--ink-soft);font-weight:600}td.number,th.number{text-align:right}
.source{display:block;counter-reset:none}
.source span{display:block;white-space:pre;padding:0 6px;min-width:max-content}
.source i{display:inline-block;font-style:normal;color:var(--ink-soft);width:3.2em;
text-align:right;padding-right:1em;user-select:none}
.source .hit{background:var(--select);box-shadow:inset 3px 0 var(--error)}
.source b{font-weight:inherit;text-decoration:underline wavy var(--error);
text-underline-offset:3px;text-decoration-thickness:1.5px}
details{margin-top:12px;border-top:1px solid var(--line);padding-top:10px}
details>summary{cursor:pointer;font-weight:600;color:var(--accent);font-size:.9rem}
details[open]>summary{margin-bottom:8px}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,150px),1fr));
gap:10px 20px;margin:0}
dt{font-size:.8rem;color:var(--ink-soft)}dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:40px;color:var(--ink-soft);font-size:.85rem}
@media(max-width:640px){body{padding:18px 14px 40px}h1{font-size:1.4rem}
.timeline{grid-template-columns:1fr;gap:2px}.timeline .name{margin-top:8px}
.timeline div.name{display:none}.card,.panel{padding:12px 13px}}
@media print{html{font-size:12px;background:#fff}body{max-width:none;padding:0}
.card,.panel,.plot{box-shadow:none}.card>header,h2,h4{break-after:avoid}
pre,table,.plot,.timeline{break-inside:avoid}pre{white-space:pre-wrap}
.source span{white-space:pre-wrap;min-width:0}
details::details-content{content-visibility:visible;block-size:auto}
.plots{grid-template-columns:repeat(2,1fr)}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


def stylesheet() -> str:
    """All rules, for a ``style`` element."""
    kinds = "".join(
        f".s-{kind}{{fill:var(--{kind});border-color:var(--{kind})}}"
        f".card.s-{kind}{{border-color:var(--line);border-left-color:var(--{kind})}}"
        f".soft-{kind}{{background:var(--{kind}-soft)}}"
        f".card.s-{kind} .hit{{background:var(--{kind}-soft);"
        f"box-shadow:inset 3px 0 var(--{kind})}}"
        f".card.s-{kind} b{{text-decoration-color:var(--{kind})}}"
        for kind in _KINDS
    )
    dashes = ("", "7 4", "2 3", "9 3 2 3", "4 4", "1 4")
    curves = "".join(
        f"svg .c{n}{{fill:none;stroke:var(--c{n});stroke-width:2;stroke-linejoin:round;"
        f"stroke-dasharray:{dashes[n - 1] or 'none'}}}"
        f"svg .d{n}{{fill:var(--c{n})}}svg .b{n}{{fill:var(--c{n});opacity:.16}}"
        for n in _CURVES
    )
    return (
        f":root{{color-scheme:light dark;{_LIGHT}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
        f"{_PAGE}{kinds}{curves}"
    )
