//! Lock files: what reads keeps its meaning when written, and merging keeps what both sides agree on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlx::project::Lock;
use mlx::project::merge::merge;

/// What parts the versions of a merge in an input.
const BETWEEN: &[u8] = b"\n%%\n";

fuzz_target!(|bytes: &[u8]| {
    let versions = split(bytes);
    for version in &versions {
        look(version);
    }
    if let [base, ours, theirs] = versions[..] {
        look_at_merge(base, ours, theirs);
    }
});

fn look(bytes: &[u8]) {
    let Ok(lock) = Lock::parse(bytes, "mlx.lock") else { return };

    let text = lock.to_text();
    let again = Lock::parse(text.as_bytes(), "mlx.lock").expect("what was written can be read");
    assert!(again == lock, "the lock reads back as another:\n{text}");
    assert!(again.to_text() == text);
    for (path, object) in &lock.paths {
        assert!(lock.object(path) == Some(object));
    }
}

fn look_at_merge(base: &[u8], ours: &[u8], theirs: &[u8]) {
    let merged = merge(base, ours, theirs);
    let read = Lock::parse(merged.text.as_bytes(), "mlx.lock");
    assert!(read.is_ok() == merged.conflicts.is_empty(), "{:?}\n{}", merged.conflicts, merged.text);

    let back = merge(base, theirs, ours);
    assert!(back.conflicts.len() == merged.conflicts.len());
    if let Ok(lock) = Lock::parse(ours, "mlx.lock") {
        assert!(merge(base, ours, ours).text == lock.to_text());
        assert!(merge(ours, ours, ours).conflicts.is_empty());
    }
}

fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + BETWEEN.len()..];
    }
    parts.push(bytes);
    parts
}
