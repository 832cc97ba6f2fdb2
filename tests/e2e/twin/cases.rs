//! Cases that were written by hand: `cases/*.sql`.
//!
//! A case is one statement on a line, or several in one session: those after the first begin
//! with `+ `. A line of `--` is a comment. Behind ` --: ` stand marks, with commas between them:
//!
//! - `refused CODE`: pgherd refuses it. `refused CODE ring`, or `range`: only there; and the
//!   names of modes (`simple`, `text`, `binary`, `portal`): only so.
//! - `ordered`, `free`: rows come in the order that the statement says, or in any. When neither
//!   is written, ORDER BY at the end of a statement says it. `ordered by 2 1`: the statement leaves
//!   ties; these columns come in one order, and the rows as they like otherwise.
//! - `with 42|x|NULL`: values of `$1` and so on. Not sent by the simple protocol.
//! - `some of SELECT …`, as the last mark: which rows come is open, too; so many of those.
//! - `data …`, as the last mark: what COPY FROM STDIN reads, with `\n`, `\t`, `\\`, `\xHH`.
//!
//! `#writes` at the top of a file: after each case the rows of all tables are compared and then
//! put back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::answer::{Answer, Failure, Order, Row, difference};
use super::client::{Mode, Request};
use super::place::{Pair, Place};
use super::tally::Tally;

/// A data file.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    writes: bool,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    /// A comment, or nothing.
    Kept(String),
    Step(Box<Step>),
}

/// One statement of a case.
#[derive(Debug)]
struct Step {
    /// From 1.
    line: usize,
    /// It is not the first of its case.
    goes_on: bool,
    request: Request,
    refused: Vec<Refused>,
    /// Marks that aren't about refusals, as they were written.
    marks: String,
    order: Order,
    /// `some of` this.
    out_of: Option<String>,
}

/// A mark that says where and how a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    code: String,
    pair: Option<String>,
    modes: Vec<String>,
}

/// Where and how a step ran, and the code by which it was refused.
type Runs = BTreeMap<(&'static str, Mode), Option<String>>;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    pub tally: Tally,
    /// Each with its place and what to do.
    pub wrong: Vec<String>,
    pub statements: usize,
}

impl File {
    pub fn read(path: PathBuf) -> File {
        let text = std::fs::read_to_string(&path).expect("a data file");
        let mut file = File { path, writes: false, lines: Vec::new() };
        for (at, line) in text.lines().enumerate() {
            file.writes |= line == "#writes";
            let kept = line.trim().is_empty() || line.starts_with("--") || line.starts_with('#');
            file.lines.push(if kept {
                Line::Kept(line.into())
            } else {
                Line::Step(Box::new(Step::read(at + 1, line)))
            });
        }
        file
    }

    /// Runs all cases; with `bless`, writes the file's marks as they should be.
    pub fn run(&mut self, place: &mut Place, bless: bool) -> Report {
        let mut report = Report::default();
        let mut at = 0;
        while at < self.lines.len() {
            let case = self.case(at);
            if !case.is_empty() {
                let runs = run_case(&case, self.writes, place, &mut report);
                if !bless {
                    for (step, runs) in case.iter().zip(&runs) {
                        step.check_marks(runs, &mut report);
                    }
                }
                let len = case.len();
                if bless {
                    for (line, runs) in self.lines[at..at + len].iter_mut().zip(runs) {
                        if let Line::Step(step) = line {
                            step.refused = marks(&runs);
                        }
                    }
                }
                at += len;
            } else {
                at += 1;
            }
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        report.wrong.iter_mut().for_each(|wrong| wrong.insert_str(0, &format!("{name}:")));
        if bless {
            let lines: Vec<String> = self.lines.iter().map(Line::written).collect();
            std::fs::write(&self.path, lines.join("\n") + "\n").expect("written");
        }
        report
    }

    /// The steps of the case that begins at a line; none if that is no step.
    fn case(&self, at: usize) -> Vec<&Step> {
        let mut steps: Vec<&Step> = Vec::new();
        for line in &self.lines[at..] {
            match line {
                Line::Step(step) if steps.is_empty() || step.goes_on => steps.push(step),
                _ => break,
            }
        }
        steps
    }
}

impl Line {
    fn written(&self) -> String {
        match self {
            Line::Kept(text) => text.clone(),
            Line::Step(step) => step.written(),
        }
    }
}

impl Step {
    fn read(line: usize, text: &str) -> Step {
        let (statement, marks) = text.split_once(" --: ").unwrap_or((text, ""));
        let first = statement.strip_prefix("+ ");
        let statement = first.unwrap_or(statement).trim();
        let mut step = Step {
            line,
            goes_on: first.is_some(),
            request: Request { text: statement.into(), ..Request::default() },
            refused: Vec::new(),
            marks: String::new(),
            order: if orders(statement) { Order::Total } else { Order::Free },
            out_of: None,
        };
        let mut rest = marks.trim();
        let mut kept = Vec::new();
        while !rest.is_empty() {
            let whole = rest.starts_with("some of ") || rest.starts_with("data ");
            let (mark, after) = match rest.split_once(", ") {
                Some((mark, after)) if !whole => (mark, after),
                _ => (rest, ""),
            };
            step.mark(mark);
            if !mark.starts_with("refused ") {
                kept.push(mark);
            }
            rest = after;
        }
        step.marks = kept.join(", ");
        step
    }

    fn mark(&mut self, mark: &str) {
        let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
        match word {
            "refused" => self.refused.push(Refused::read(rest)),
            "free" => self.order = Order::Free,
            "ordered" if rest.is_empty() => self.order = Order::Total,
            "ordered" => {
                let columns = rest.trim_start_matches("by ").split(' ');
                let at = |n: &str| n.parse::<usize>().expect("a column's number") - 1;
                self.order = Order::By(columns.map(at).collect());
            }
            "with" => {
                let value = |v: &str| (v != "NULL").then(|| v.to_owned());
                self.request.parameters = rest.split('|').map(value).collect();
            }
            "some" => self.out_of = Some(rest.trim_start_matches("of ").into()),
            "data" => self.request.data = unescaped(rest),
            _ => panic!("line {}: what does {mark:?} say?", self.line),
        }
    }

    fn written(&self) -> String {
        let mut marks: Vec<String> = self.refused.iter().map(Refused::written).collect();
        if !self.marks.is_empty() {
            marks.push(self.marks.clone());
        }
        let first = if self.goes_on { "+ " } else { "" };
        let text = &self.request.text;
        if marks.is_empty() {
            format!("{first}{text}")
        } else {
            format!("{first}{text} --: {}", marks.join(", "))
        }
    }

    /// The code by which it has to be refused there.
    fn expected(&self, pair: &str, mode: Mode) -> Option<&str> {
        let fits = |mark: &&Refused| {
            mark.pair.as_deref().is_none_or(|named| named == pair)
                && (mark.modes.is_empty() || mark.modes.iter().any(|named| named == mode.name()))
        };
        self.refused.iter().find(fits).map(|mark| mark.code.as_str())
    }

    fn check_marks(&self, runs: &Runs, report: &mut Report) {
        let off = |((pair, mode), code): (&(&str, Mode), &Option<String>)| {
            self.expected(pair, *mode) != code.as_deref()
        };
        if runs.iter().any(off) {
            let marks = marks(runs).iter().map(Refused::written).collect::<Vec<_>>().join(", ");
            let now = if marks.is_empty() {
                "is answered now: take the mark `refused` away".into()
            } else {
                format!("has to be marked as it is now, `{marks}`, or to be answered")
            };
            report.wrong.push(format!("{}: {}\n    {now}", self.line, self.request.text));
        }
    }

    /// In which ways it can be sent.
    fn modes(&self, writes: bool) -> Vec<Mode> {
        let several = self.request.text.trim_end_matches(';').contains("; ");
        let fits = |mode: &Mode| match mode {
            Mode::Simple => self.request.parameters.is_empty(),
            Mode::Binary => !several,
            Mode::Text | Mode::Portal => !several && !writes,
        };
        Mode::ALL.into_iter().filter(fits).collect()
    }
}

impl Refused {
    fn read(words: &str) -> Refused {
        let mut words = words.split(' ').map(str::to_owned);
        let code = words.next().unwrap_or_default();
        let (mut pair, mut modes) = (None, Vec::new());
        for word in words {
            match word.as_str() {
                "ring" | "range" => pair = Some(word),
                _ => modes.push(word),
            }
        }
        Refused { code, pair, modes }
    }

    fn written(&self) -> String {
        let words = self.pair.iter().chain(&self.modes).map(|word| format!(" {word}"));
        format!("refused {}{}", self.code, words.collect::<String>())
    }
}

/// The marks that say what happened.
fn marks(runs: &Runs) -> Vec<Refused> {
    let mut marks: Vec<Refused> = Vec::new();
    let pairs: Vec<&str> = {
        let mut pairs: Vec<&str> = runs.keys().map(|(pair, _)| *pair).collect();
        pairs.dedup();
        pairs
    };
    for pair in &pairs {
        let of = || runs.iter().filter(|((named, _), _)| named == pair);
        let mut codes: Vec<&String> = of().filter_map(|(_, code)| code.as_ref()).collect();
        codes.sort();
        codes.dedup();
        for code in codes {
            let so = of().filter(|(_, c)| c.as_ref() == Some(code));
            let modes: Vec<String> = so.map(|((_, mode), _)| mode.name().to_owned()).collect();
            let modes = if modes.len() == of().count() { Vec::new() } else { modes };
            marks.push(Refused { code: code.clone(), pair: Some((*pair).into()), modes });
        }
    }
    // The same everywhere.
    let alike = |a: &Refused, b: &Refused| a.code == b.code && a.modes == b.modes;
    if let [first, second] = marks.as_slice()
        && alike(first, second)
    {
        marks = vec![Refused { pair: None, ..first.clone() }];
    }
    marks
}

/// Runs a case on each pair in each mode; what became of each step.
fn run_case(case: &[&Step], writes: bool, place: &mut Place, report: &mut Report) -> Vec<Runs> {
    let mut runs: Vec<Runs> = case.iter().map(|_| Runs::new()).collect();
    report.statements += case.len();
    let modes: Vec<Mode> = Mode::ALL
        .into_iter()
        .filter(|mode| case.iter().all(|step| step.modes(writes).contains(mode)))
        .collect();
    assert!(!modes.is_empty(), "line {}: no mode is left", case[0].line);
    let mut found = Vec::new();
    for pair in &mut place.pairs {
        for mode in &modes {
            let heard = run_steps(case, writes, pair, *mode);
            for (at, heard) in heard.iter().enumerate() {
                let step = case[at];
                runs[at].insert((pair.name, *mode), heard.refused.as_ref().map(|f| f.code.clone()));
                match (&heard.refused, &heard.wrong) {
                    (_, Some(wrong)) => {
                        report.tally.different += 1;
                        let (name, mode) = (pair.name, mode.name());
                        let text = &step.request.text;
                        found.push(format!("{}: {text}\n  {name}, {mode}: {wrong}", step.line));
                    }
                    (Some(refused), None) => report.tally.refuse(refused),
                    (None, None) => report.tally.equal += 1,
                }
            }
        }
        if writes && let Some(wrong) = pair.rows_differ() {
            found.push(format!("{}: {}, after it:\n{wrong}", case[0].line, pair.name));
            pair.reset();
        }
    }
    if !writes && found.is_empty() {
        found.extend(undetermined(case, modes[0], place));
    }
    report.wrong.append(&mut found);
    runs
}

/// What became of one step in one run.
struct Heard {
    refused: Option<Failure>,
    wrong: Option<String>,
}

fn run_steps(case: &[&Step], writes: bool, pair: &mut Pair, mode: Mode) -> Vec<Heard> {
    let mut heard: Vec<Heard> = Vec::new();
    let mut wrote = false;
    for step in case {
        let ours = pair.ours.run(&step.request, mode);
        if let Some(refused) = ours.refusal() {
            heard.push(Heard { refused: Some(refused.clone()), wrong: None });
            break;
        }
        let theirs = pair.theirs.run(&step.request, mode);
        wrote |= ours.wrote() || theirs.wrote();
        let order = step.order(&mut |text| rows_of(pair.theirs.run(text, mode)));
        let wrong = difference(&ours, &theirs, &order)
            .map(|what| format!("{what}\n  pgherd\n{ours}\n  twin\n{theirs}"));
        heard.push(Heard { refused: None, wrong });
    }
    for client in [&mut pair.ours, &mut pair.theirs] {
        client.settle();
        if case.len() > 1 {
            client.must("DEALLOCATE ALL");
        }
    }
    if writes && wrote {
        // Compared before they are put back; once more at the end costs nothing.
        if let Some(wrong) = pair.rows_differ()
            && let Some(last) = heard.last_mut()
        {
            last.wrong.get_or_insert(format!("the rows differ then:\n{wrong}"));
        }
        pair.reset();
    }
    heard
}

impl Step {
    /// Its order, with the rows that `some of` means.
    fn order(&self, ask: &mut dyn FnMut(&Request) -> Vec<Row>) -> Order {
        match &self.out_of {
            Some(text) => Order::SomeOf(ask(&Request { text: text.clone(), ..Request::default() })),
            None => self.order.clone(),
        }
    }
}

fn rows_of(answer: Answer) -> Vec<Row> {
    assert!(answer.failure().is_none(), "no rows to choose from: {answer}");
    answer.parts.into_iter().flat_map(|part| part.rows).collect()
}

/// What a case leaves open, so that it could fail although nothing is wrong.
fn undetermined(case: &[&Step], mode: Mode, place: &mut Place) -> Vec<String> {
    let mut found = Vec::new();
    let theirs = &mut place.pairs[0].theirs;
    let shuffled = &mut place.shuffled;
    for step in case {
        let (one, other) = (theirs.run(&step.request, mode), shuffled.run(&step.request, mode));
        let order = step.order(&mut |text| rows_of(theirs.run(text, mode)));
        if let Some(what) = difference(&other, &one, &order) {
            let text = &step.request.text;
            let mut wrong = format!("{}: {text}\n  leaves open: {what}", step.line);
            let _ = write!(wrong, "\n  twin\n{one}\n  shuffled\n{other}");
            found.push(wrong);
        }
    }
    for client in [theirs, shuffled] {
        client.settle();
        if case.len() > 1 {
            client.must("DEALLOCATE ALL");
        }
    }
    found
}

/// Whether ORDER BY stands outside of all parentheses and quotes.
fn orders(text: &str) -> bool {
    let (mut depth, mut quoted) = (0, false);
    let upper = text.to_ascii_uppercase();
    upper.char_indices().any(|(at, c)| {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        depth == 0 && !quoted && upper[at..].starts_with(" ORDER BY ")
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [b'n', after @ ..]) => (bytes.push(b'\n'), rest = after).1,
            (b'\\', [b't', after @ ..]) => (bytes.push(b'\t'), rest = after).1,
            (b'\\', [b'\\', after @ ..]) => (bytes.push(b'\\'), rest = after).1,
            (b'\\', [b'x', high, low, after @ ..]) => {
                let hex = String::from_utf8_lossy(&[*high, *low]).into_owned();
                bytes.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}
