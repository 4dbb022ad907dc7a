// SPDX-License-Identifier: GPL-2.0

//! What all pages have: they need nothing else, and follow the reader's choice of light or dark.

/// Text and lines of pictures are black in an SVG, and get the page's colour here.
pub const STYLE: &str = "\
:root { color-scheme: light dark; --text: #1a1a1a; --back: #fdfdfb; --soft: #5c5c5c; --line: #d8d8d4; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e6e1; --back: #16181b; --soft: #a5a39e; --line: #3a3d42; }
}
body { color: var(--text); background: var(--back); font: 16px/1.5 system-ui, sans-serif;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; }
p, dl { max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1rem; }
dd { margin: 0; }
small, .soft { color: var(--soft); }
figure { margin: 0; display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; }
svg { max-width: 100%; height: auto; }
svg text { fill: var(--text); font-family: system-ui, sans-serif; }
svg line, svg polyline { stroke: var(--text); }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1.2rem; padding: 0; margin: 0.3rem 0; }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.4em; }
pre { overflow-x: auto; font-size: 0.8rem; line-height: 1.35; }
table { border-collapse: collapse; }
td, th { border-bottom: 1px solid var(--line); padding: 0.25rem 0.8rem 0.25rem 0; text-align: left;
  vertical-align: top; }
";

/// The beginning of a page, up to its headline.
pub fn head(title: &str, style: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n"
    )
}

/// The end of a page.
pub const TAIL: &str = "</body>\n</html>\n";

/// Text as a page has it.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_escaped() {
        assert_eq!(escaped("\"a\" & <b>"), "&quot;a&quot; &amp; &lt;b&gt;");
    }
}
