//! Chunks: a large object on a remote is a recipe and the chunks it names, so that its next version sends only what
//! changed.
//!
//! Where to cut is decided by the content (FastCDC, the version of 2020): about 64 KiB, at least a quarter and at most four
//! times that. For objects of many gigabytes chunks grow, so that a recipe stays short. A chunk is an object like any
//! other. A recipe is the line `mlx recipe 1`, then each chunk in order: its digest (32 bytes) and its length (8 bytes,
//! little-endian); then the digest of all that (32 bytes). It stands in a pack under the digest of the whole object, which
//! is checked on arrival.

use std::collections::HashSet;
use std::io::Read;

use anyhow::Context;
use fastcdc::v2020::FastCDC;
use rayon::prelude::*;

use crate::digest::Hasher;
use crate::store::pack::{Compression, Item, Kind};
use crate::{Digest, Error, Result};

const HEADER: &[u8] = b"mlx recipe 1\n";
const ANY_HEADER: &[u8] = b"mlx recipe ";
const STEP: usize = 40;
/// Larger objects are sent in chunks.
pub const LARGEST_WHOLE: u64 = 16 << 20;
/// A chunk is about so long on average.
const AVERAGE: usize = 64 << 10;
/// So much of an object is cut and hashed at once.
const WINDOW: usize = 16 << 20;
/// A recipe has no more chunks than about this many: chunks of larger objects are longer.
const MANY: u64 = 1 << 18;
/// No chunk is longer than this, whoever made it.
const LONGEST: u64 = 16 << 20;

/// The chunks of a large object, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    pub chunks: Vec<Chunk>,
}

/// A part of a large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// Bytes that are no recipe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARecipe {
    #[error("this is no recipe: {0}")]
    Malformed(String),
    #[error("this recipe has version {0}, which this mlx does not know")]
    Version(String),
}

impl Recipe {
    /// How long the whole object is, in bytes.
    pub fn size(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.size).fold(0, u64::saturating_add)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER.len() + self.chunks.len() * STEP);
        bytes.extend_from_slice(HEADER);
        for Chunk { digest, size } in &self.chunks {
            bytes.extend_from_slice(digest.as_bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
        }
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes
    }

    /// Reads what [`Recipe::encode`] wrote; refuses anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotARecipe> {
        let bad = |why: &str| NotARecipe::Malformed(why.to_owned());
        let rest = bytes.strip_prefix(HEADER).ok_or_else(|| match other_version(bytes) {
            Some(version) => NotARecipe::Version(version),
            None => bad("it does not begin as one"),
        })?;
        let (rest, digest) = rest.split_last_chunk::<32>().ok_or_else(|| bad("it is cut off"))?;
        if Digest::of(&bytes[..bytes.len() - digest.len()]).as_bytes() != digest {
            return Err(bad("it is not what was written"));
        }
        let (steps, []) = rest.as_chunks::<STEP>() else { return Err(bad("its last chunk is cut off")) };
        let chunk = |step: &[u8; STEP]| {
            let (digest, size) = step.split_first_chunk::<32>().expect("a step is longer than a digest");
            let size = u64::from_le_bytes(size.try_into().expect("eight bytes are left"));
            (1..=LONGEST).contains(&size).then_some(Chunk { digest: Digest::from_bytes(*digest), size })
        };
        let chunks = steps.iter().map(chunk).collect::<Option<_>>();
        chunks.map(|chunks| Self { chunks }).ok_or_else(|| bad("a chunk has an impossible length"))
    }

    /// Whether an item is a recipe of an object of the size it says; the chunks are not looked at. One of another version is
    /// not known to be none: whoever needs it says so.
    pub fn is_in(item: &Item) -> bool {
        match Self::decode(&item.stored) {
            Ok(recipe) => recipe.size() == item.size,
            Err(wrong) => matches!(wrong, NotARecipe::Version(_)),
        }
    }

    /// The recipe as what stands in a pack for the object with this digest.
    pub fn item(&self, object: Digest) -> Item {
        Item { digest: object, size: self.size(), kind: Kind::Recipe, stored: self.encode() }
    }
}

/// The version in the first line of a recipe of another version.
fn other_version(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(ANY_HEADER)?.split(|byte| *byte == b'\n').next()?;
    let is_number = (1..=9).contains(&line.len()) && line.iter().all(u8::is_ascii_digit);
    is_number.then(|| String::from_utf8_lossy(line).into_owned())
}

/// Cuts what the reader gives, which should be the object `expected` of this size, into chunks; gives those that
/// `is_known` does not know to `take`, in order, and notes them in `taken`: one that stands there is not given again. Memory is
/// bounded.
///
/// # Errors
/// A content that is not the object: then chunks were taken in vain.
pub fn cut(
    mut reader: impl Read,
    expected: Digest,
    size: u64,
    taken: &mut HashSet<Digest>,
    is_known: impl Fn(&Digest) -> bool + Sync,
    mut take: impl FnMut(Item) -> Result<()>,
) -> Result<Recipe> {
    let average = average(size);
    let compression = Compression::default();
    let mut hasher = Hasher::new();
    let mut recipe = Recipe::default();
    let mut window = Vec::with_capacity(WINDOW + 4 * average);
    loop {
        let before = window.len();
        let count = reader.by_ref().take(WINDOW as u64).read_to_end(&mut window).context("cannot read an object")?;
        let is_last = count < WINDOW;
        // Where the last chunk ends shows only when enough follows it.
        let cuts = cuts(&window, average, is_last);
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &window[pair[0]..pair[1]]).collect();
        let ((), hashed) = rayon::join(
            || hasher.update(&window[before..]),
            || pieces.par_iter().map(|piece| (Digest::of(piece), *piece)).collect::<Vec<_>>(),
        );
        recipe.chunks.extend(hashed.iter().map(|(digest, piece)| Chunk { digest: *digest, size: piece.len() as u64 }));
        let fresh: Vec<(Digest, &[u8])> = hashed
            .into_iter()
            .filter(|(digest, _)| taken.insert(*digest))
            .filter(|(digest, _)| !is_known(digest))
            .collect();
        let item = |(digest, piece): (Digest, &[u8])| compression.item(digest, piece.to_vec());
        let items: Vec<Item> = fresh.into_par_iter().map(item).collect();
        items.into_iter().try_for_each(&mut take)?;
        window.drain(..cuts.last().copied().unwrap_or(0));
        if is_last {
            break;
        }
    }
    match hasher.finish() {
        (found, _) if found == expected => Ok(recipe),
        (found, _) => Err(Error::from(crate::store::StoreError::Damaged {
            digest: expected,
            found: format!("its content hashes to {found}"),
        })),
    }
}

/// Where the chunks in these bytes begin and end; what is left over at the end belongs to the next window, unless this is
/// the last.
fn cuts(bytes: &[u8], average: usize, is_last: bool) -> Vec<usize> {
    let cutter = FastCDC::new(bytes, average / 4, average, average * 4);
    let mut cuts = vec![0];
    let mut start = 0;
    while start < bytes.len() {
        let left = bytes.len() - start;
        if !is_last && left < average * 4 {
            break;
        }
        let (_, end) = cutter.cut(start, left);
        cuts.push(end);
        start = end;
    }
    cuts
}

/// How long chunks are on average: a power of two.
fn average(size: u64) -> usize {
    let mut average = AVERAGE;
    while size / average as u64 > MANY && average < 1 << 20 {
        average *= 2;
    }
    average
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that do not repeat.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
    }

    fn chunks(content: &[u8]) -> (Recipe, Vec<Item>) {
        let mut items = Vec::new();
        let size = content.len() as u64;
        let recipe = cut(
            content,
            Digest::of(content),
            size,
            &mut HashSet::new(),
            |_| false,
            |item| {
                items.push(item);
                Ok(())
            },
        );
        (recipe.unwrap(), items)
    }

    #[test]
    fn chunks_make_the_object_again_and_an_edit_changes_few() {
        let mut content = noise(40 << 20, 7);
        let (before, items) = chunks(&content);
        let joined: Vec<u8> = items.into_iter().flat_map(|item| item.content().unwrap()).collect();
        assert!(joined == content);

        content.splice(20 << 20..20 << 20, *b"a few bytes more");
        let (after, _) = chunks(&content);

        let known: HashSet<Digest> = before.chunks.iter().map(|chunk| chunk.digest).collect();
        let new = after.chunks.iter().filter(|chunk| !known.contains(&chunk.digest)).count();
        assert!((1..=3).contains(&new), "{new} of {} chunks are new", after.chunks.len());
        assert_eq!(after.size(), content.len() as u64);
    }

    #[test]
    fn content_that_is_not_the_object_is_refused() {
        let content = noise(1 << 20, 3);

        let error =
            cut(&*content, Digest::of("other"), 1 << 20, &mut HashSet::new(), |_| false, |_| Ok(())).unwrap_err();

        assert!(error.to_string().contains("is damaged"), "{error}");
    }

    #[test]
    fn other_versions_of_recipes_are_refused_politely() {
        assert_eq!(Recipe::decode(b"mlx recipe 2\nwhat comes"), Err(NotARecipe::Version("2".into())));
        assert!(matches!(Recipe::decode(b"mlx recipe x\n"), Err(NotARecipe::Malformed(_))));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_the_same(bytes: Vec<u8>) {
            let bytes = [HEADER, &bytes].concat();
            let bytes = [&*bytes, Digest::of(&bytes).as_bytes()].concat();
            if let Ok(recipe) = Recipe::decode(&bytes) {
                prop_assert_eq!(recipe.encode(), bytes);
            }
        }

        #[test]
        fn every_recipe_reads_back(sizes in prop::collection::vec(1..LONGEST, 0..9)) {
            let chunk = |size: u64| Chunk { digest: Digest::of(size.to_le_bytes()), size };
            let recipe = Recipe { chunks: sizes.into_iter().map(chunk).collect() };

            prop_assert_eq!(Recipe::decode(&recipe.encode()).unwrap(), recipe);
        }
    }
}
