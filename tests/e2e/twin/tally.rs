//! How many were answered, and why the others were not.

use std::collections::BTreeMap;
use std::fmt;

use super::answer::Failure;

/// Counts of runs: one statement on one pair in one mode.
#[derive(Debug, Default)]
pub struct Tally {
    pub equal: usize,
    pub different: usize,
    refused: BTreeMap<String, usize>,
}

impl Tally {
    pub fn refuse(&mut self, failure: &Failure) {
        *self.refused.entry(reason(failure)).or_default() += 1;
    }

    pub fn add(&mut self, other: Tally) {
        self.equal += other.equal;
        self.different += other.different;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
    }

    pub fn refused(&self) -> usize {
        self.refused.values().sum()
    }

    /// Of a hundred runs, so many were answered.
    pub fn answered_percent(&self) -> f64 {
        let answered = self.equal + self.different;
        100.0 * answered as f64 / (answered + self.refused()).max(1) as f64
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} equal, {} different, {} refused; {:.1} % answered",
            self.equal,
            self.different,
            self.refused(),
            self.answered_percent()
        )?;
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), reason.as_str()));
        for (reason, count) in reasons {
            writeln!(f, "{count:7}  {reason}")?;
        }
        Ok(())
    }
}

/// The code and message of a refusal, without the names in it.
fn reason(failure: &Failure) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in failure.message.split_whitespace() {
        let bare = word.trim_end_matches([':', ',']);
        let number = bare.bytes().all(|byte| byte.is_ascii_digit());
        let name = number || word.starts_with(['"', '\'']) || bare.contains('.');
        words.push(if name { "…" } else { word });
    }
    let mut text = format!("{} {}", failure.code, words.join(" "));
    // An alias.
    while let Some(at) = text.find("… as ") {
        let end = text[at + "… as ".len()..].find(' ').map(|len| at + "… as ".len() + len);
        text.replace_range(at..end.unwrap_or(text.len()), "…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_same_for_all_tables() {
        let failure =
            |message: &str| Failure { code: "0A000".into(), message: message.into(), own: true };
        let reason = |message: &str| reason(&failure(message));
        let expected = "0A000 … is not bound to one shard";
        assert_eq!(reason("public.users is not bound to one shard"), expected);
        assert_eq!(reason("public.users as u is not bound to one shard"), expected);
        assert_eq!(reason("a b, \"c\" by column 12: d"), "0A000 a b, … by column … d");
    }
}
