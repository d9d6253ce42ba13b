//! The places that can hold a remote: each says what it can do with files, in single attempts.

mod aws;
pub mod buckets;
mod cloud;
mod connector;
mod directory;
mod http;
mod netrc;
mod network;
mod session;
mod ssh;
mod ssh_error;
mod webdav;

pub use directory::Directory;
pub use ssh::Ssh;
pub use webdav::WebDav;
