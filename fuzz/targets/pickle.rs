//! Pickles, and what they come packed in: whatever a file holds, the scan ends, and says the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlx::bundle::pickle::{Known, scan};
use mlx::project::manifest::Pickles;

fuzz_target!(|bytes: &[u8]| {
    let content = bytes.to_vec();
    for name in ["model.pkl", "weights"] {
        let found = scan(&content, name).expect("memory can be read");
        assert!(found == scan(&content, name).expect("memory can be read"));
        let Some(found) = found else { continue };
        // Nothing that a file names may break a line of a message.
        assert!(found.globals.iter().all(|global| !global.contains(['\n', '\u{1b}'])));
        for global in &found.globals {
            let _ = Known::of(global, &Pickles::default());
        }
    }
});
