//! Frames with places in them for what differs from run to run, as `protocol/README.md` describes.

use std::collections::HashMap;

/// What one connection's placeholders have stood for so far.
#[derive(Default)]
pub struct Template {
    cursors: HashMap<String, Cursor>,
    /// The cursor that came last.
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
            .unwrap_or_else(|| panic!("{text:?} is no cursor"))
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
    /// `<session>`, `<message>`: a string of characters.
    Any,
    /// `<cursor>`.
    Cursor,
    /// `<cursor:name>` and `<cursor:name+5>`.
    Named(&'t str, u64),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut parts = template.split('<');
    let mut pieces = vec![Piece::Text(parts.next().unwrap_or_default())];
    for part in parts {
        let (placeholder, text) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("a placeholder is open: {template}"));
        pieces.push(match placeholder.split_once(':') {
            Some(("cursor", name)) => match name.split_once('+') {
                Some((name, more)) => Piece::Named(name, more.parse().unwrap()),
                None => Piece::Named(name, 0),
            },
            None if placeholder == "cursor" => Piece::Cursor,
            None if ["session", "message"].contains(&placeholder) => Piece::Any,
            _ => panic!("<{placeholder}> stands for nothing"),
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
            Piece::Any | Piece::Cursor => panic!("what is sent is not known: {template}"),
        });
        filled.collect()
    }

    /// Asserts that this frame came.
    pub fn assert(&mut self, template: &str, came: &str) {
        let mut rest = came;
        for piece in pieces(template) {
            if let Piece::Text(text) = piece {
                rest = rest.strip_prefix(text).unwrap_or_else(|| {
                    panic!("`{template}` was expected, and this came: `{came}`")
                });
                continue;
            }
            let (value, behind) = string(rest);
            assert!(!value.is_empty(), "{came}");
            rest = behind;
            match piece {
                Piece::Text(_) | Piece::Any => {}
                Piece::Cursor => _ = self.next(value),
                Piece::Named(name, 0) => match self.cursors.get(name) {
                    Some(known) => assert_eq!(known.to_string(), value, "in {came}"),
                    None => {
                        let cursor = self.next(value);
                        self.cursors.insert(name.to_owned(), cursor);
                    }
                },
                Piece::Named(..) => panic!("what comes is not computed: {template}"),
            }
        }
        assert_eq!(rest, "", "behind `{template}`");
    }

    /// Reads a new cursor: of the log of the last one, and not before it.
    fn next(&mut self, text: &str) -> Cursor {
        let cursor = Cursor::parse(text);
        if let Some(last) = self.last.replace(cursor.clone()) {
            assert_eq!(cursor.epoch, last.epoch, "the log is the same");
            assert!(cursor.position >= last.position, "{cursor} after {last}");
        }
        cursor
    }
}

/// Cuts a JSON string, whose opening quote is gone, in front of its closing quote.
fn string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|c| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    text.split_at(end.unwrap_or_else(|| panic!("{text} is no string")))
}
