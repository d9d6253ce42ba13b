//! The places that can hold a remote: each says what it can do with files, in single attempts.

mod directory;

pub use directory::Directory;
