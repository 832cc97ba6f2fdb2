//! The fuzzer's targets over the fuzzer's corpus: what was found once is not lost again.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "../fuzz/targets/mod.rs"]
mod targets;

/// As a runtime's worker has.
const STACK: usize = 2 << 20;

#[test]
fn every_input_of_the_corpus_is_harmless() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let directories = fs::read_dir(&corpus).expect("a corpus").count();
    assert_eq!(directories, targets::ALL.len(), "a directory a target");
    let runner = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        let mut harmful = Vec::new();
        for (name, run) in targets::ALL {
            let inputs = fs::read_dir(corpus.join(name)).expect("the target's corpus");
            let mut count = 0;
            for input in inputs {
                let path = input.expect("a directory entry").path();
                let data = fs::read(&path).expect("an input");
                count += 1;
                if catch_unwind(|| run(&data)).is_err() {
                    harmful.push(path);
                }
            }
            assert!(count > 0, "nothing for {name}");
        }
        harmful
    });
    let harmful = runner.expect("a thread").join().expect("it ends");
    assert!(harmful.is_empty(), "inputs that panic: {harmful:?}");
}
