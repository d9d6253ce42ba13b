//! Digests and the objects they name: the SHA-256 of an object's bytes is its name everywhere.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// The SHA-256 of some bytes, written `sha256:` and 64 lower-case hex digits, as OCI does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A string that is no digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: `sha256:` and 64 lower-case hex digits are")]
pub struct NotADigest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest whose 32 bytes these are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the algorithm.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }

    /// The digest with these 64 lower-case hex digits.
    pub fn from_hex(hex: &str) -> Result<Self, NotADigest> {
        let nibble = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let error = || NotADigest(hex.chars().take(80).collect());
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(error)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.short())
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hex = text.strip_prefix("sha256:").ok_or_else(|| NotADigest(text.chars().take(80).collect()))?;
        Self::from_hex(hex)
    }
}

/// The first digits of a digest, as people name it: with or without the algorithm before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// Text that begins no digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` begins no digest: {least} hex digits do, and more", least = Prefix::SHORTEST)]
pub struct NotAPrefix(String);

impl Prefix {
    /// Fewer digits name too much.
    pub const SHORTEST: usize = 4;

    /// Whether the digest begins with these digits.
    pub fn begins(&self, digest: &Digest) -> bool {
        digest.hex().starts_with(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_hex && (Self::SHORTEST..=64).contains(&digits.len()) {
            true => Ok(Self(digits.to_ascii_lowercase())),
            false => Err(NotAPrefix(text.chars().take(80).flat_map(char::escape_debug).collect())),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What an object is to the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A regular file.
    File,
    /// A regular file that its owner may execute.
    Executable,
    /// A symbolic link inside a directory; its object is the text of its target.
    Link,
    /// A directory; its object is the tree that lists it.
    Directory,
}

/// A file or directory as the lock, the runs and the bundles name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    pub kind: ObjectKind,
    pub digest: Digest,
    /// Bytes of the file, or of all files below the directory.
    pub size: u64,
    /// One for a file; for a directory, the number of files below it.
    pub files: u64,
}

impl Object {
    pub fn is_directory(&self) -> bool {
        self.kind == ObjectKind::Directory
    }
}

/// Takes bytes as they come and says their digest and count in the end.
#[derive(Clone, Default)]
pub struct Hasher {
    state: sha2::Sha256,
    bytes: u64,
}

impl Hasher {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The digest of all bytes given, and how many they were.
    pub fn finish(self) -> (Digest, u64) {
        (Digest(self.state.finalize().into()), self.bytes)
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Room that is made once a thread: to make and clear it for each of many small files takes longer than to hash them.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads to the end; returns the digest and the number of bytes. Memory is one buffer of 256 KiB a thread.
pub fn of_reader(mut reader: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let mut buffer = BUFFER.take();
    buffer.resize(256 * 1024, 0);
    let read = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    BUFFER.set(buffer);
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_of_nothing_is_the_known_one() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(of_reader(&b""[..]).unwrap(), (EMPTY.parse().unwrap(), 0));
    }

    #[test]
    fn text_reads_back() {
        let digest = Digest::of(b"mlx");

        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn the_first_digits_are_enough_with_the_algorithm_and_without() {
        let digest: Digest = EMPTY.parse().unwrap();

        for text in [EMPTY, &EMPTY[7..], "sha256:e3b0", "e3b0c4", "E3B0C4"] {
            assert!(text.parse::<Prefix>().unwrap().begins(&digest), "{text}");
        }
        assert!(!"sha256:e3b1".parse::<Prefix>().unwrap().begins(&digest));
        for text in ["", "sha256:", "e3b", "sha256:e3b", "e3bz", "sha512:e3b0", &format!("{EMPTY}0")] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "sha256:", "sha256:xyz", &EMPTY.to_uppercase(), &EMPTY[7..], "sha512:00", "sha256:é"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
