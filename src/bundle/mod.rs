//! Bundles: a model with all it needs to answer, as an OCI image layout with a CNCF ModelPack manifest.

mod description;

pub use description::{DESCRIPTION_FILE, Description, File, Lineage, ModelName, Runtime, Serve, Smoke};
