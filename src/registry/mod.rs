//! The model registry: versions and aliases of models as small records beside the objects; no server.

mod record;

pub use record::{Alias, AliasEvent, Version};
