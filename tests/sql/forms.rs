//! Texts that differ in their integers only: what is known of one is true of the other.

use pgherd::sql::{Form, LexOptions, scan_single};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::corpora;

/// The same text with other integers where digits stand: some of the same length, some not.
fn other_integers(text: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut other = Vec::new();
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            other.push(byte);
            rest = &rest[1..];
            continue;
        }
        let len = if random.random_bool(0.5) { digits } else { random.random_range(1..=20) };
        other.extend((0..len).map(|_| random.random_range(b'0'..=b'9')));
        rest = &rest[digits..];
    }
    other
}

#[test]
fn texts_of_one_form_are_the_same_statement() {
    let mut random = StdRng::seed_from_u64(1);
    let (mut with_form, mut alike) = (0, 0);
    for sample in corpora::all() {
        let text = sample.text.as_bytes();
        for standard_conforming_strings in [true, false] {
            let options = LexOptions { standard_conforming_strings };
            let Some(form) = Form::of(text) else { continue };
            with_form += 1;
            let Ok(Some(scanned)) = scan_single(text, options) else { continue };
            for _ in 0..4 {
                let changed = other_integers(text, &mut random);
                let Some(other) = Form::of(&changed).filter(|other| other.is(&form.bytes())) else {
                    continue;
                };
                // A server refuses the one text by itself.
                let Ok(found) = scan_single(&changed, options) else { continue };
                let moved = scanned.moved(form.blanks(), other.blanks());
                assert_eq!(Some(moved), found, "{}", String::from_utf8_lossy(&changed));
                alike += 1;
            }
        }
    }
    assert!(with_form > 100 && alike > 100, "{with_form} texts have a form, {alike} compared");
}
