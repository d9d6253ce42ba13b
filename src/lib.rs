//! mlx takes a machine-learning project from a script to a watched service: one manifest, one binary, one hash.
//!
//! Modules are ordered in layers, and each uses only what stands below it or to its right; `docs/ARCHITECTURE.md` is
//! the map, and a test keeps it true.

pub mod cli;

pub mod deploy;
pub mod doctor;
pub mod lineage;
pub mod serve;

pub mod bundle;
pub mod predictor;
pub mod registry;

pub mod env;
pub mod executor;
pub mod pipeline;
pub mod run;
pub mod sweep;

pub mod data;
pub mod remote;

pub mod project;
pub mod store;

pub mod digest;
pub mod error;
pub mod event;
pub mod fs;

pub use digest::Digest;
pub use error::{Error, Kind, Result};
