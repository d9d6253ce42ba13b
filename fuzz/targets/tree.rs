//! Directory listings: what reads writes the same bytes again, and holds no name that is dangerous to create.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlx::Digest;
use mlx::store::tree::Tree;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = Tree::decode(bytes) else { return };

    assert!(tree.encode() == bytes);
    assert!(tree.entries().is_sorted_by(|a, b| a.name < b.name));
    for entry in tree.entries() {
        assert!(!matches!(&entry.name[..], b"" | b"." | b"..") && !entry.name.contains(&b'/'));
        assert!(tree.get(&entry.name) == Some(&entry.object));
    }
    let object = tree.object(Digest::of(bytes));
    assert!(object.is_directory() && tree.entries().iter().all(|entry| entry.object.size <= object.size));
    let reversed = tree.entries().iter().rev().cloned().collect();
    assert!(Tree::new(reversed) == tree);
});
