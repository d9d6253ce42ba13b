//! An object on the way into a pack: compressed where that pays.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Kind;
use crate::Digest;

/// Little is gained below this size.
const SMALLEST: usize = 128;
/// Zstandard's level: 1 and above, the higher the slower.
const LEVEL: i32 = 1;
/// After so many objects in a row that did not shrink, only each of these is tried.
const PATIENCE: u32 = 24;
const SAMPLE: u32 = 16;
/// What looks like noise is not tried: so many bytes of a content are looked at, in so many places.
const PROBED: usize = 1024;
const PROBES: usize = 16;
/// Bits a byte, as they appear in so few bytes: noise has 7.8 of at most 8, a table of random floats 7, text below 6.
const NOISE_BITS: f32 = 7.7;

/// An object as it will be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub digest: Digest,
    /// The size of the object, in bytes.
    pub size: u64,
    pub kind: Kind,
    pub stored: Vec<u8>,
}

impl Item {
    /// The object with this content, as it is.
    pub fn raw(digest: Digest, content: Vec<u8>) -> Self {
        Self { digest, size: content.len() as u64, kind: Kind::Raw, stored: content }
    }

    /// The object itself; an error where the stored bytes are damaged, but no check of the digest.
    pub fn content(self) -> std::io::Result<Vec<u8>> {
        super::read::decode(self.kind, self.size, self.stored)
    }
}

/// Decides what to compress: data that does not shrink is soon left alone. Used from many threads.
#[derive(Debug, Default)]
pub struct Compression {
    /// How many objects in a row did not shrink.
    in_vain: AtomicU32,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(LEVEL).ok());
}

impl Compression {
    /// The object with this content, compressed if that saves a tenth or more.
    pub fn item(&self, digest: Digest, content: Vec<u8>) -> Item {
        match self.compress(&content) {
            Some(stored) => Item { digest, size: content.len() as u64, kind: Kind::Zstd, stored },
            None => Item::raw(digest, content),
        }
    }

    fn compress(&self, content: &[u8]) -> Option<Vec<u8>> {
        if content.len() < SMALLEST || content.len() as u64 > super::LARGEST_COMPRESSED {
            return None;
        }
        let in_vain = self.in_vain.load(Ordering::Relaxed);
        if in_vain >= PATIENCE && !in_vain.is_multiple_of(SAMPLE) {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if is_noise(content) {
            return None;
        }
        let compressed =
            COMPRESSOR.with(|compressor| compressor.borrow_mut().as_mut().and_then(|c| c.compress(content).ok()));
        let pays = compressed.filter(|compressed| compressed.len() + content.len() / 10 < content.len());
        match &pays {
            Some(_) => self.in_vain.store(0, Ordering::Relaxed),
            None => drop(self.in_vain.fetch_add(1, Ordering::Relaxed)),
        }
        pays
    }
}

/// n·log₂(n), for each n that can be counted.
static WEIGHTS: LazyLock<Vec<f32>> =
    LazyLock::new(|| (0..=PROBED).map(|count| count as f32 * (count.max(1) as f32).log2()).collect());

/// Whether the bytes are spread so evenly that nothing will be won: those of pictures, sound and archives are.
///
/// The measure is Shannon's entropy of single bytes in a sample, as btrfs has it before it compresses.
fn is_noise(content: &[u8]) -> bool {
    if content.len() < 2 * PROBED {
        return false;
    }
    let mut counts = [0_u16; 256];
    for probe in 0..PROBES {
        let start = (content.len() - PROBED / PROBES) / (PROBES - 1) * probe;
        content[start..start + PROBED / PROBES].iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    }
    let weight = |count: &u16| WEIGHTS[usize::from(*count)];
    let bits = (PROBED as f32).log2() - counts.iter().map(weight).sum::<f32>() / PROBED as f32;
    bits > NOISE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift.
    fn random(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |state| {
            let state = state ^ (state << 13);
            let state = state ^ (state >> 7);
            Some(state ^ (state << 17))
        })
        .skip(20)
    }

    #[test]
    fn noise_is_told_from_what_shrinks() {
        for seed in 1..200 {
            let noise: Vec<u8> = random(seed).map(|number| (number >> 24) as u8).take(10_000).collect();
            assert!(is_noise(&noise), "seed {seed}");
            let floats: Vec<u8> = random(seed)
                .flat_map(|number| (((number >> 40) as f32) / 16_777_216.0).to_le_bytes())
                .take(10_000)
                .collect();
            assert!(!is_noise(&floats), "seed {seed}");
            let letters: Vec<u8> = random(seed).map(|number| b'a' + (number >> 24) as u8 % 26).take(10_000).collect();
            assert!(!is_noise(&letters), "seed {seed}");
            assert!(!is_noise(&noise[..1000]), "too little to tell");
        }
        assert!(!is_noise(&[0; 5000]));
    }

    #[test]
    fn what_shrinks_is_compressed_beside_noise() {
        let compression = Compression::default();
        let noise: Vec<u8> = random(1).map(|number| (number >> 24) as u8).take(10_000).collect();
        let kinds = (0..100).map(|turn| match turn % 2 {
            0 => compression.item(Digest::of(&noise), noise.clone()).kind,
            _ => compression.item(Digest::of(b"text"), b"text ".repeat(1000)).kind,
        });
        assert!(kinds.enumerate().all(|(turn, kind)| kind == [Kind::Raw, Kind::Zstd][turn % 2]));
    }
}
