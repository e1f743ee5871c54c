"""The page's style sheet: system fonts, two colour schemes, one column on a phone.

Every pair of text and background has a contrast of 4.5 or more (WCAG AA; a
test computes it), and no state is told by colour alone. It stands in the page
itself, named by its hash in the content security policy, so that no other
style can be smuggled in.
"""

from base64 import b64encode
from hashlib import sha256

LIGHT = {
    "page": "#f6f5f2",
    "card": "#ffffff",
    "ink": "#1d1c1a",
    "soft": "#5b5954",
    "line": "#dedbd4",
    "good": "#1a6e37",
    "good-back": "#e3f3e7",
    "warn": "#7a4d00",
    "warn-back": "#fdf0d3",
    "bad": "#a4201a",
    "bad-back": "#fde7e4",
    "link": "#0b4fc4",
    "code": "#f1efea",
}
DARK = {
    "page": "#131312",
    "card": "#1d1d1b",
    "ink": "#ecebe8",
    "soft": "#aeaca6",
    "line": "#383733",
    "good": "#7fd698",
    "good-back": "#15301d",
    "warn": "#f0c060",
    "warn-back": "#352809",
    "bad": "#ff9d94",
    "bad-back": "#3f1714",
    "link": "#8fb8ff",
    "code": "#292826",
}

_RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
  font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem;z-index:1}
header,main,footer{max-width:64rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;margin:0}
h2{font-size:1.25rem;margin:0;overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.35rem 0}
.soft{color:var(--soft)}
nav ul,.rows{list-style:none;margin:0;padding:0}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin-top:.75rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;
  padding:1.1rem 1.25rem;margin:1.25rem 0}
.head{display:flex;flex-wrap:wrap;gap:.4rem .9rem;align-items:center}
.badge{border-radius:1rem;padding:.1rem .7rem;font-size:.9rem;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--good-back)}
.warn{color:var(--warn);background:var(--warn-back)}
.bad{color:var(--bad);background:var(--bad-back)}
.todo{border-left:.25rem solid currentColor;padding:.45rem .8rem;margin:.8rem 0;
  border-radius:0 .3rem .3rem 0;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(3,1fr);gap:.9rem 1.75rem;margin:1rem 0 0}
dt{color:var(--soft);font-size:.85rem}
dd{margin:0;font-variant-numeric:tabular-nums}
figure{margin:1.25rem 0 0}
figcaption{font-size:.85rem;color:var(--soft);display:flex;flex-wrap:wrap;
  justify-content:space-between;gap:.25rem 1rem}
svg{display:block;width:100%;height:7.5rem;margin:.35rem 0}
svg .base{stroke:var(--line)}
svg .writes{fill:var(--link)}
svg .delay{fill:var(--warn)}
svg .failed{fill:var(--bad-back)}
svg .cross{fill:var(--bad)}
.key::before{content:"";display:inline-block;width:.7em;height:.7em;margin-right:.35em;
  border-radius:.15em;background:var(--link)}
.key+.key{margin-left:1rem}
.key.late::before{background:var(--warn);border-radius:50%}
.rows>li{border-top:1px solid var(--line);padding:.6rem 0;display:grid;gap:.15rem 1.25rem;
  grid-template-columns:minmax(9rem,15rem) 1fr}
.rows>li>*{min-width:0;overflow-wrap:anywhere}
code{background:var(--code);border-radius:.3rem;padding:.05rem .35rem;
  font:.875em/1.5 ui-monospace,"SF Mono",Menlo,Consolas,monospace;white-space:nowrap}
.change{overflow-wrap:anywhere}
del{color:var(--soft)}
ins{text-decoration:none;font-weight:600}
meter{width:100%;height:.8rem;display:block}
footer{padding-bottom:2.5rem;font-size:.9rem;color:var(--soft)}
@media(max-width:40rem){
  section{padding:.9rem;border-radius:.4rem}
  dl{grid-template-columns:1fr 1fr;gap:.8rem 1rem}
  .keys{order:3;flex-basis:100%}
  code{white-space:normal;overflow-wrap:anywhere}
  .rows>li{grid-template-columns:1fr}
}
@media(prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
"""


def _colours(names: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{value};" for name, value in names.items()) + "}"


STYLE = (
    f"{_colours(LIGHT)}@media(prefers-color-scheme:dark){{{_colours(DARK)}}}"
    f":root{{color-scheme:light dark}}{_RULES}"
)

STYLE_HASH = f"sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}"
"""How the content security policy names the style sheet."""
