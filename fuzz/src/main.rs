//! One libFuzzer program for all targets; `PGHERD_FUZZ` names the one that it runs.
//!
//! One program is linked once. What another target needs is never reached, so that it costs
//! the search nothing.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[path = "../targets/mod.rs"]
mod targets;

// libFuzzer gives its inputs to a bare function, so what it runs is found here.
static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("PGHERD_FUZZ").unwrap_or_default();
        let known = targets::ALL.iter().find(|(known, _)| *known == name);
        let Some((_, run)) = known else {
            let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
            eprintln!("PGHERD_FUZZ is one of: {}", names.join(" "));
            std::process::exit(2);
        };
        TARGET.get_or_init(|| *run);
    },
    |data: &[u8]| {
        if let Some(run) = TARGET.get() {
            run(data);
        }
    }
);
