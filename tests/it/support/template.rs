//! Frames with placeholders for values that differ from run to run, as `protocol/README.md`
//! describes.

use std::collections::HashMap;

/// The values that the placeholders of one connection have had so far.
#[derive(Default)]
pub struct Template {
    cursors: HashMap<String, Cursor>,
    /// The last cursor that was received.
    last: Option<Cursor>,
}

#[derive(Clone, Debug, PartialEq)]
struct Cursor {
    epoch: String,
    position: u64,
}

impl Cursor {
    fn parse(text: &str) -> Self {
        let cursor = text.split_once('.').and_then(|(epoch, position)| {
            Some(Self {
                epoch: epoch.to_owned(),
                position: position.parse().ok()?,
            })
        });
        cursor
            .filter(|cursor| cursor.to_string() == text && !cursor.epoch.is_empty())
            .unwrap_or_else(|| panic!("{text:?} is not a cursor"))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

/// A piece of a template.
enum Piece<'t> {
    Text(&'t str),
    /// `<session>` or `<message>`: any nonempty string.
    Any,
    /// `<ms>`: any number.
    Number,
    /// `<cursor>`.
    Cursor,
    /// `<cursor:name>` and `<cursor:name+5>`.
    Named(&'t str, u64),
    /// `<unit:name>`.
    Unit(&'t str),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut parts = template.split('<');
    let mut pieces = vec![Piece::Text(parts.next().unwrap_or_default())];
    for part in parts {
        let (placeholder, text) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("unclosed placeholder: {template}"));
        pieces.push(match placeholder.split_once(':') {
            Some(("cursor", name)) => match name.split_once('+') {
                Some((name, more)) => Piece::Named(name, more.parse().unwrap()),
                None => Piece::Named(name, 0),
            },
            Some(("unit", name)) => Piece::Unit(name),
            None if placeholder == "cursor" => Piece::Cursor,
            None if placeholder == "ms" => Piece::Number,
            None if ["session", "message"].contains(&placeholder) => Piece::Any,
            _ => panic!("unknown placeholder <{placeholder}>"),
        });
        pieces.push(Piece::Text(text));
    }
    pieces
}

impl Template {
    /// Returns the frame to send.
    pub fn fill(&self, template: &str) -> String {
        let filled = pieces(template).into_iter().map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Named(name, more) => {
                let mut cursor = self.cursors[name].clone();
                cursor.position += more;
                cursor.to_string()
            }
            Piece::Any | Piece::Number | Piece::Cursor | Piece::Unit(_) => {
                panic!("placeholder without a value: {template}")
            }
        });
        filled.collect()
    }

    /// Asserts that the received frame matches the template.
    pub fn assert(&mut self, template: &str, received: &str) {
        let mut rest = received;
        for piece in pieces(template) {
            if let Piece::Text(text) = piece {
                rest = rest
                    .strip_prefix(text)
                    .unwrap_or_else(|| panic!("expected `{template}`, received `{received}`"));
                continue;
            }
            if let Piece::Number = piece {
                let digits =
                    rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                assert!(digits > 0, "expected `{template}`, received `{received}`");
                rest = &rest[digits..];
                continue;
            }
            let (value, remainder) = split_string(rest);
            assert!(!value.is_empty(), "{received}");
            rest = remainder;
            match piece {
                Piece::Text(_) | Piece::Number | Piece::Any => {}
                Piece::Cursor => _ = self.next(value),
                Piece::Named(name, 0) => match self.cursors.get(name) {
                    Some(known) => assert_eq!(known.to_string(), value, "in {received}"),
                    None => {
                        let cursor = self.next(value);
                        self.cursors.insert(name.to_owned(), cursor);
                    }
                },
                Piece::Unit(name) => {
                    // Frames with smaller cursors follow.
                    let cursor = self.parse_next(value);
                    self.cursors.insert(name.to_owned(), cursor);
                }
                Piece::Named(..) => panic!("an expected frame cannot add to a cursor: {template}"),
            }
        }
        assert_eq!(rest, "", "after `{template}`");
    }

    /// Parses a cursor, and asserts that it has the epoch of the last one and is not before it.
    fn next(&mut self, text: &str) -> Cursor {
        let cursor = self.parse_next(text);
        self.last = Some(cursor.clone());
        cursor
    }

    fn parse_next(&self, text: &str) -> Cursor {
        let cursor = Cursor::parse(text);
        if let Some(last) = &self.last {
            assert_eq!(cursor.epoch, last.epoch, "the log is the same");
            assert!(cursor.position >= last.position, "{cursor} after {last}");
        }
        cursor
    }
}

/// Splits a JSON string without its opening quote before its closing quote.
fn split_string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|c| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    text.split_at(end.unwrap_or_else(|| panic!("{text} is not a string")))
}
