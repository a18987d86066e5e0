"""The style sheet of a page: for narrow and wide screens, light and dark ones, and paper."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

SHEET = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1a1a1a; --faint: #595959; --line: #c9c9c9; --bar: #3b6ea5;
  --link: #1f5a96; --wrong: #a3261b; --code: #f4f4f2; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --ink: #e6e6e6; --faint: #a9adb2; --line: #474b50; --bar: #6b9fd4; --link: #8ab8e8;
    --wrong: #ff9d8f; --code: #212429; }
}
* { box-sizing: border-box; }
html { background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { max-width: 68rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
a { color: var(--link); }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0; }
h3 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
h4 { font-size: 1rem; margin: 1.25rem 0 0.25rem; }
h5 { font-size: 0.95rem; margin: 1rem 0 0.15rem; }
sub { line-height: 0; }
p { max-width: 46rem; margin: 0.25rem 0; }
.model { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 1.25rem; }
.about { color: var(--faint); }
.problem { color: var(--wrong); }
p.problem { border-left: 0.2rem solid var(--wrong); padding-left: 0.75rem; margin: 0.5rem 0; }
h1, h2, h4, p, li, th, td, figcaption { overflow: clip; overflow-clip-margin: 0.25rem; } /* marks stacked on a letter */
.contents { list-style: none; padding: 0; margin: 0.5rem 0; }
.contents li { margin: 0.3rem 0; }
.contents .parts { display: inline; padding: 0; }
.parts { padding: 0; margin: 0.25rem 0; }
.parts li { display: inline-block; margin: 0 1rem 0 0; }
.notes { padding-left: 1.2rem; max-width: 46rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-weight: normal; text-align: left; }
thead th { color: var(--faint); font-size: 0.85rem; }
.table { margin: 0.75rem 0; }
.table th, .table td { padding: 0.15rem 1.5rem 0.15rem 0; vertical-align: top; }
.table th.layer { padding-top: 1rem; }
.table th.name { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.85rem;
  padding-top: 0.25rem; }
.table td.number, .table th.heading-number { text-align: right; padding-right: 0; white-space: nowrap; }
.table .sum th, .table .sum td { border-top: 1px solid var(--line); font-weight: bold; }
pre { font: 0.8rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; background: var(--code);
  padding: 0.5rem 0.75rem; margin: 0.4rem 0; overflow-x: auto; max-width: 46rem; overflow-wrap: normal; }
.maps-row { margin: 1rem 0 0; }
.gates { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.75rem 1rem; margin: 0.5rem 0; }
figure { margin: 0; min-width: 0; }
figure img { display: block; max-width: 100%; height: auto; min-height: 1.25rem; max-height: 16rem;
  image-rendering: pixelated;
  border: 1px solid var(--line); }
figcaption { font-size: 0.8rem; line-height: 1.35; color: var(--faint); margin-top: 0.25rem;
  font-variant-numeric: tabular-nums; }
figcaption b { color: var(--ink); }
.scale { width: 15rem; max-width: 100%; }
.scale img { display: block; width: 100%; height: 0.6rem; border: 1px solid var(--line); }
.ends { display: flex; justify-content: space-between; font-size: 0.8rem; color: var(--faint); }
.bars-table { width: 100%; max-width: 46rem; margin: 0.5rem 0; font-size: 0.9rem; }
.bars-table th, .bars-table td { padding: 0.05rem 1rem 0.05rem 0; text-align: right; white-space: nowrap; width: 1%; }
.bars-table th:first-child { text-align: left; }
.bars-table td.bars { width: auto; padding: 0; }
.bars svg { display: block; width: 100%; height: 0.8rem; fill: var(--bar); }
footer { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 0.75rem; color: var(--faint);
  font-size: 0.85rem; }
@media (max-width: 40rem) {
  h1 { font-size: 1.35rem; }
  .gates { grid-template-columns: repeat(2, 1fr); }
  .table, .table tbody, .table thead { display: block; width: 100%; }
  .table tr { display: grid; grid-template-columns: 1fr auto; column-gap: 0; }
  .table th, .table td { padding-right: 0; }
  .table th.name { padding-right: 1rem; }
  .table .layer, .table .reason { grid-column: 1 / -1; }
  .table .reason { order: 1; padding: 0 0 0.35rem 1rem; }
  .table .reason:empty { display: none; }
  .table .sum td.reason { border-top: 0; }
  .table th.heading:nth-child(2) { display: none; }
  .bars-table th, .bars-table td { padding-right: 0.6rem; }
}
@media print {
  :root { color-scheme: light; --page: #ffffff; --ink: #000000; --faint: #444444; --line: #aaaaaa; --bar: #3b6ea5;
    --link: #000000; --wrong: #7a1a12; --code: #ffffff; }
  @page { margin: 15mm; }
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  a { text-decoration: none; }
  p, pre, .notes, .bars-table { max-width: none; }
  pre { white-space: pre-wrap; border-left: 1px solid var(--line); }
  h2, h3, h4, h5, thead, .scale, .layer, p:has(+ pre) { break-after: avoid; }
  figure, .maps-row, tr, pre { break-inside: avoid; }
  .gates { grid-template-columns: repeat(4, 1fr); }
  figure img, .scale img, .bars svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def policy() -> str:
    """Return the Content Security Policy of a page: this sheet and pictures in the page, and nothing else."""
    digest = b64encode(sha256(SHEET.encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
