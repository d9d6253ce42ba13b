//! Recipes of large objects: what reads writes the same bytes again, and stands in a pack as what it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlx::Digest;
use mlx::remote::Recipe;

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    // No mutation finds a right digest by chance.
    let body = &bytes[..bytes.len().saturating_sub(32)];
    look(&[body, Digest::of(body).as_bytes()].concat());
});

fn look(bytes: &[u8]) {
    let Ok(recipe) = Recipe::decode(bytes) else { return };

    assert!(recipe.encode() == bytes);
    let object = Digest::of(b"whatever it makes");
    let mut item = recipe.item(object);
    assert!(item.digest == object && item.size == recipe.size() && Recipe::is_in(&item));
    item.size ^= 1;
    assert!(!Recipe::is_in(&item));
    assert!(item.content().is_err());
}
