//! The statements that the tests of this room run over.

use std::path::PathBuf;
use std::process::Command;

/// One statement and the corpus that it is from.
pub struct Sample {
    pub corpus: &'static str,
    pub text: String,
}

/// The project's own list, and the shared corpora where they are there.
pub fn all() -> Vec<Sample> {
    let mut samples = own();
    for (corpus, file) in [("oltp", "oltp.sql"), ("orm", "orm.sql")] {
        match std::fs::read_to_string(shared().join(file)) {
            Ok(text) => samples.extend(lines(corpus, &text)),
            Err(_) => println!("skipped: {} is not there", shared().join(file).display()),
        }
    }
    samples.extend(regress());
    samples
}

/// `tests/sql/corpus.sql`: statements apart by empty lines, comments by `--` at the start.
pub fn own() -> Vec<Sample> {
    let text = include_str!("corpus.sql");
    let blocks = text.split("\n\n").map(|block| {
        let kept: Vec<&str> = block.lines().filter(|line| !line.starts_with("--")).collect();
        kept.join("\n").trim().trim_end_matches(';').to_string()
    });
    blocks.filter(|text| !text.is_empty()).map(|text| Sample { corpus: "own", text }).collect()
}

fn shared() -> PathBuf {
    match std::env::var_os("PGHERD_CORPUS") {
        Some(directory) => directory.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
    }
}

fn lines(corpus: &'static str, text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines.map(|line| Sample { corpus, text: line.to_string() }).collect()
}

/// PostgreSQL's own regression suite.
fn regress() -> Vec<Sample> {
    let file = shared().join("postgres-regress.jsonl.gz");
    if !file.exists() {
        println!("skipped: {} is not there", file.display());
        return Vec::new();
    }
    let output = Command::new("gzip").arg("-dc").arg(&file).output().expect("gzip runs");
    assert!(output.status.success(), "{} is not gzip", file.display());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let parse = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        value["s"].as_str().expect("a statement").to_string()
    };
    text.lines().map(|line| Sample { corpus: "regress", text: parse(line) }).collect()
}
