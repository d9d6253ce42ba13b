//! Predictors: what answers an inference request, in the terms of the Open Inference Protocol v2.

mod signature;

pub use signature::{Signature, Tensor};
