//! The places that can hold a remote: each says what it can do with files, in single attempts.

mod aws;
pub mod buckets;
mod cloud;
mod connector;
mod directory;
mod docker_config;
mod http;
mod netrc;
mod network;
mod registry;
mod registry_token;
mod session;
mod shell;
mod ssh;
mod ssh_error;
mod webdav;

pub use directory::Directory;
pub use registry::{Registry, blob_name};
pub use shell::{HELD, Held, Reply};
pub use ssh::{Ssh, encode, unique};
pub use webdav::WebDav;
