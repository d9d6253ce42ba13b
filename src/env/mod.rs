//! Environments: what the steps run in, made once for each content that is declared.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// What the steps ran in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The digest of what was declared (requirements, interpreter, platform), which is part of each step key; `None`
    /// where nothing is declared and the user's own interpreter served.
    pub digest: Option<Digest>,
    /// The interpreter's path; `None` where there is no Python.
    pub python: Option<String>,
    /// Such as `3.11.7`.
    pub python_version: Option<String>,
    /// The installed packages as `name==version` lines; an object of the store.
    pub packages: Option<Digest>,
}
