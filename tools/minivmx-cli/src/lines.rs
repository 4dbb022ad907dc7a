// SPDX-License-Identifier: GPL-2.0

//! Lines that a terminal of the usual width shows whole.

/// Characters of a line.
const WIDTH: usize = 80;

/// The text, broken between words where a line of it would be too long. A longer word stays whole.
pub fn broken(text: &str) -> String {
    broken_after(" ", text)
}

/// The same, broken nowhere but after the separator.
pub fn broken_after(separator: &str, text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for piece in text.split_inclusive(separator) {
        match lines.last_mut() {
            Some(line) if width(line) + width(piece.trim_end()) <= WIDTH => line.push_str(piece),
            _ => lines.push(piece.to_owned()),
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_full_and_no_longer() {
        let text = format!("{} {} end", "a".repeat(39), "b".repeat(40));
        assert_eq!(
            broken(&text),
            format!("{} {}\nend", "a".repeat(39), "b".repeat(40))
        );
        assert_eq!(broken("short"), "short");
    }

    #[test]
    fn a_name_stays_with_its_number() {
        let name = "n".repeat(40);
        assert_eq!(
            broken_after(", ", &format!("{name} 1, {name} 2")),
            format!("{name} 1,\n{name} 2")
        );
    }

    #[test]
    fn a_long_word_stays_whole() {
        let word = "w".repeat(200);
        assert_eq!(broken(&format!("a {word} b")), format!("a\n{word}\nb"));
    }
}
