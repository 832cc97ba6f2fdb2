//! A YAML file as a tree in which each node knows its line. What a scalar means is decided by
//! the one who reads it, so a bound `007` stays as it was written.

use granit_parser::{Event, Parser, ScalarStyle, Span};

/// Deeper than any rules file is; bounds the recursion.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// From 1.
    pub line: usize,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `~`, `null` or nothing, not in quotes.
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file; keys are scalars, and each is there once.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub line: usize,
    pub key: String,
    pub value: Node,
}

/// What is wrong, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub line: usize,
    pub message: String,
}

impl Value {
    /// What it is, for a message.
    pub fn shown(&self) -> String {
        match self {
            Value::Null => "nothing".to_owned(),
            Value::Scalar(text) => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads a text of one document; an empty one is `Null`.
pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            _ if document.is_some() => {
                return wrong(&span, "a second document begins here; expected one");
            }
            event => document = Some(reader.node(event, &span, 0)?),
        }
    }
    Ok(document.unwrap_or(Node { line: 1, value: Value::Null }))
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    /// The next event that is not a comment.
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        loop {
            match self.parser.next() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => {
                    let message = format!("this is not YAML: {}", error.info());
                    return Err(Wrong { line: error.marker().line().max(1), message });
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Wrong> {
        let line = span.start.line();
        if depth > DEPTH_MAX {
            return wrong(span, format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let value = match event {
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                return wrong(span, "aliases (*name) are not read; write it out");
            }
            other => return wrong(span, format!("expected a value, found {other:?}")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Map(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return wrong(&span, "expected a name before the colon"),
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let first = first.line;
                return wrong(&span, format!("{key:?} is there twice; it stands on line {first}"));
            }
            let (event, value_span) = self.next()?;
            let value = self.node(event, &value_span, depth + 1)?;
            entries.push(Entry { line: span.start.line(), key, value });
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar(text.to_owned())
    }
}

fn wrong<T>(span: &Span, message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { line: span.start.line().max(1), message: message.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nodes_know_their_lines() {
        let node = parse("# c\na: 1\nb:\n  - x\n  - {c: '~', d: ~}\n").unwrap();
        let Value::Map(entries) = node.value else { panic!("a map") };
        let lines: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.line)).collect();
        assert_eq!(lines, [("a", 2), ("b", 3)]);
        let Value::List(items) = &entries[1].value.value else { panic!("a list") };
        assert_eq!((items[0].line, items[1].line), (4, 5));
        let Value::Map(inner) = &items[1].value else { panic!("a map") };
        assert_eq!(inner[0].value.value, Value::Scalar("~".to_owned()));
        assert_eq!(inner[1].value.value, Value::Null);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        let deep = format!("{}{}", "[".repeat(DEPTH_MAX + 2), "]".repeat(DEPTH_MAX + 2));
        let wrong = parse(&deep).unwrap_err();
        assert!(wrong.message.contains("nested deeper"), "{}", wrong.message);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ \\n:\\-{}\\[\\],a*&'\"#|>!%]{0,60}") {
            let _ = parse(&text);
        }
    }
}
