"""The page's look: system fonts, one accent colour, red and amber only for what is wrong. Light, dark, phone and paper."""

from __future__ import annotations

from codespar_cli.plugins.observability.report.markup import Markup

LIGHT = {
    "paper": "#ffffff",
    "soft": "#f4f6f8",
    "rule": "#dfe3e8",
    "ink": "#1b1f24",
    "quiet": "#57606a",
    "a1": "#1f4fb8",
    "a2": "#5b86dd",
    "a3": "#7d8fae",
    "bad": "#b3261e",
    "warn": "#8a5300",
    "good": "#1a6e3c",
}
DARK = {
    "paper": "#13161a",
    "soft": "#1c2127",
    "rule": "#323942",
    "ink": "#e6e9ed",
    "quiet": "#a3acb6",
    "a1": "#8db4ff",
    "a2": "#5f86d3",
    "a3": "#77849a",
    "bad": "#ff8f86",
    "warn": "#efb758",
    "good": "#76d19a",
}
WORDS = ("ink", "quiet", "bad", "warn", "good", "a1")
"""What text is written in, on paper and on soft ground: a contrast of 4.5 at least."""
SHAPES = ("a1", "a2", "a3", "bad", "warn")
"""What lines and bars are drawn in: a contrast of 3 at least."""

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:auto}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main,header.top,footer{max-width:1080px;margin:0 auto;padding:0 40px}
header.top{padding-top:48px}
h1{font-size:26px;line-height:1.2;letter-spacing:-.015em;margin:0 0 6px;font-weight:650}
h2{font-size:18px;letter-spacing:-.01em;margin:0 0 4px;font-weight:650}
h3{font-size:14px;margin:28px 0 8px;font-weight:650}
p{margin:0 0 10px;max-width:76ch}
p,li,dd{overflow-wrap:anywhere}
.quiet,figcaption,dt{color:var(--quiet)}
.small,figcaption{font-size:13px}
a{color:var(--a1);text-underline-offset:2px}
:focus-visible{outline:2px solid var(--a1);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-9999px;top:8px;padding:8px 12px;background:var(--paper);border:1px solid var(--a1)}
.skip:focus{left:8px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;margin:16px 0 0;font-size:14px}
nav a{text-decoration:none;display:inline-block;padding:4px 0}
nav a:hover{text-decoration:underline}
section{padding:32px 0 8px;border-top:1px solid var(--rule);margin-top:32px}
section.totals{border:0;margin-top:0;padding-top:28px}
.tiles{display:grid;grid-template-columns:repeat(5,1fr);gap:1px;background:var(--rule);border:1px solid var(--rule);border-radius:8px;overflow:hidden;margin:12px 0 0}
.tiles>div{background:var(--paper);padding:16px 18px 14px}
.tiles dt{font-size:13px}
.tiles dd{margin:0;font-size:13px;color:var(--quiet);overflow-wrap:anywhere}
.tiles dd.figure{font-size:25px;line-height:1.25;font-weight:600;letter-spacing:-.02em;color:var(--ink);font-variant-numeric:tabular-nums}
figure{margin:24px 0 0}
figure h3{margin:0}
svg{display:block}
.chart{width:100%;height:auto;margin-top:12px;overflow:visible}
.narrow{display:none}
.label{font:11.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--quiet);font-variant-numeric:tabular-nums}
.number{font:600 10.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--paper)}
.axis{stroke:var(--quiet);stroke-width:1;opacity:.6}
.grid{stroke:var(--rule);stroke-width:1}
.fill{stroke:none}
.line{fill:none;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}
.span{opacity:.13}
.hit{fill:transparent}
.hit:hover{fill:var(--ink);opacity:.07}
.a1.fill,.a1.span{fill:var(--a1)}.a2.fill{fill:var(--a2)}.a3.fill{fill:var(--a3)}
.bad.fill,.bad.span{fill:var(--bad)}.warn.fill,.warn.span{fill:var(--warn)}.info.fill,.info.span{fill:var(--quiet)}
.a1.line{stroke:var(--a1);stroke-width:2.25}.a2.line{stroke:var(--a2)}.a3.line{stroke:var(--a3);stroke-dasharray:5 3}
.spark{width:96px;height:22px;display:inline-block;vertical-align:middle}
.spark .axis{opacity:.35}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:6px 0 0;font-size:13px;color:var(--quiet)}
.key svg{display:inline-block;width:14px;height:10px;margin-right:6px;vertical-align:baseline}
.box{position:relative;overflow-x:auto;margin:14px 0 6px;border-bottom:1px solid var(--rule)}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:7px 22px 7px 0;text-align:left;vertical-align:top;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
thead th{font-weight:500;font-size:13px;color:var(--quiet);border-bottom:1px solid var(--rule);vertical-align:bottom}
tbody tr+tr>*{border-top:1px solid var(--rule)}
tbody th{font-weight:500}
.n{text-align:right}
.name{white-space:normal;min-width:190px;max-width:340px;overflow-wrap:anywhere}
.wide-cell{white-space:normal;min-width:96px;max-width:300px;overflow-wrap:anywhere}
.bad-word{color:var(--bad)}.warn-word{color:var(--warn)}.good-word{color:var(--good)}
.badge{display:inline-block;justify-self:start;align-self:start;min-width:20px;height:20px;line-height:20px;border-radius:10px;padding:0 6px;text-align:center;font-size:12px;font-weight:600;color:var(--paper);background:var(--quiet);font-variant-numeric:tabular-nums}
.badge.bad{background:var(--bad)}.badge.warn{background:var(--warn)}
.list{list-style:none;padding:0;margin:16px 0 0}
.list>li{padding:14px 0;border-top:1px solid var(--rule);display:grid;grid-template-columns:44px 1fr;gap:0 4px}
.list>li>div{min-width:0}
.list>li:target{background:var(--soft)}
.list p{margin:2px 0 0;overflow-wrap:anywhere}
.list .what{font-weight:550;overflow-wrap:anywhere}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:12px;margin:8px 0 0}
.sides>div{min-width:0}
.sides pre{margin:2px 0 0;padding:8px 10px;background:var(--soft);border-radius:6px;font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
details{margin:14px 0 0}
summary{cursor:pointer;color:var(--a1);font-size:14px;padding:4px 0;width:fit-content}
.budgets{list-style:none;margin:10px 0 0;padding:0}
.budgets li{padding:8px 0}
.meter{width:100%;height:6px;margin:6px 0 4px;border-radius:3px;background:var(--rule);overflow:hidden}
.alarm{border-left:3px solid var(--bad);padding:4px 0 4px 14px}
footer{padding-bottom:56px}
footer p{margin-top:24px}
footer dl{display:grid;grid-template-columns:150px 1fr;gap:8px 20px;font-size:14px;margin:12px 0 0}
footer dt{color:var(--ink);font-weight:500}
footer dd{margin:0;color:var(--quiet);max-width:80ch}
@media (max-width:820px){.tiles{grid-template-columns:1fr 1fr}.tiles>div:first-child{grid-column:1/-1}}
@media (max-width:640px){
main,header.top,footer{padding-left:16px;padding-right:16px}
header.top{padding-top:24px}
h1{font-size:22px}
.wide{display:none}.narrow{display:block}
.tiles>div{padding:12px 14px}
.tiles dd.figure{font-size:20px}
.sides,footer dl{grid-template-columns:1fr}
footer dd{margin-bottom:8px}
.list>li{grid-template-columns:36px 1fr}
.name{min-width:168px;max-width:220px}
}
@media print{
@page{margin:14mm}
body{font-size:10.5pt}
main,header.top,footer{max-width:none;padding-left:0;padding-right:0}
header.top{padding-top:0}
nav,.skip,details{display:none}
.wide{display:block}.narrow{display:none}
.box{overflow:visible}
figure,.list>li,tr,.tiles{break-inside:avoid}
h2,h3{break-after:avoid}
thead{display:table-header-group}
.tiles{grid-template-columns:repeat(5,1fr)}.tiles>div:first-child{grid-column:auto}.tiles dd.figure{font-size:15pt}
table{font-size:8.5pt}th,td{padding:4px 8px 4px 0}
.fill,.badge,.meter,.span{print-color-adjust:exact;-webkit-print-color-adjust:exact}
a{color:inherit;text-decoration:none}
}
"""


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in palette.items())


# Dark only on a screen: paper is white.
STYLE = Markup(
    f":root{{color-scheme:light;{_variables(LIGHT)}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{_variables(DARK)}}}}}{_RULES}"
)
