"""The style sheet of the report: for a screen in light and in dark, for a narrow one, and for paper."""

from typing import Final

STYLE: Final = """
:root { --paper: #fff; --ink: #1b1d21; --soft: #555b66; --rule: #dfe3e8; --box: #f4f6f8;
  --model: #1f5f99; --second: #b06000; --good: #1e7b34; --bad: #b3261e; --faint: #8a8f98; color-scheme: light }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --ink: #e6e8eb; --soft: #a8aeb8; --rule: #343941; --box: #1e2126;
    --model: #6fb1ee; --second: #f0a04b; --good: #5ecb7a; --bad: #ff8a80; --faint: #7d838d; color-scheme: dark } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem;
  background: var(--paper); color: var(--ink); overflow-wrap: anywhere }
th, .short { white-space: nowrap }
h1, h2, h3 { line-height: 1.25 } h2 { margin-top: 2.5rem; border-top: 2px solid var(--rule); padding-top: 1rem }
h3 { margin: 1.8rem 0 .4rem } p { max-width: 46rem; margin: .4rem 0 }
table { border-collapse: collapse; margin: .6rem 0; font-size: 14px }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule) }
th { color: var(--soft); font-weight: 600 } td { font-variant-numeric: tabular-nums }
.word { background: var(--soft); padding: .1rem .6rem; border-radius: .3rem; font-weight: 600 }
.word.good { background: var(--good) } .word.bad { background: var(--bad) }
.word.good, .word.bad, .word.faint { color: var(--paper) }
.good { color: var(--good) } .bad { color: var(--bad) } .faint { color: var(--faint) }
td .faint { color: var(--soft) }
.model { color: var(--model) } .second { color: var(--second) } .frame { color: var(--rule) }
.empty { background: var(--box); padding: .6rem .8rem; border-left: 3px solid var(--faint) }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .6rem 1.6rem }
figure.tall { grid-row: span 2 } figure { margin: .6rem 0; min-width: 0; break-inside: avoid } figcaption { color: var(--soft); font-size: 13px }
svg { display: block; width: 100%; max-width: 34rem; height: auto } svg text { font-size: 12px; fill: var(--soft) }
pre { white-space: pre-wrap; background: var(--box); padding: .7rem; font-size: 12px }
@media screen and (max-width: 45rem) {
  table, tbody, tr, td { display: block } thead { display: none } tr { padding: .4rem 0; border-bottom: 1px solid var(--rule) }
  td { border: 0; padding: .05rem 0; white-space: normal !important } td:empty { display: none }
  td::before { content: attr(data-label) ": "; color: var(--soft) } td:first-child { font-weight: 600 }
  td:first-child::before { content: "" } }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 11px } table { font-size: 10px }
  h2, h3 { break-after: avoid } section.model-section { break-before: page } tr, pre { break-inside: avoid }
  .figures { grid-template-columns: 1fr 1fr } .word.good, .word.bad, .word.faint { border: 1px solid; background: none; color: var(--ink) } }
"""
