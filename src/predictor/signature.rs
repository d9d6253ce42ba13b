//! What a model takes and gives.

use serde::{Deserialize, Serialize};

/// Inputs and outputs by name, datatype and shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// A tensor as the Open Inference Protocol names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    pub name: String,
    /// `FP32`, `INT64`, `BYTES`, …
    pub datatype: String,
    /// -1 stands for a dimension of any length.
    pub shape: Vec<i64>,
    /// The names of the columns along the last dimension, where the data told them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}
