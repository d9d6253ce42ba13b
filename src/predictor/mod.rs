//! Predictors: what answers an inference request, in the terms of the Open Inference Protocol v2.

mod binary;
mod data;
mod datatype;
pub mod learn;
mod matches;
pub mod mlflow;
pub mod onnx;
mod parse;
pub mod python;
mod request;
pub mod rows;
mod signature;
#[cfg(test)]
mod tests;
mod wire;

pub use data::Elements;
pub use datatype::Datatype;
pub use matches::matches;
pub use onnx::Capacity;
pub use request::{InferRequest, InferResponse, NamedTensor};
pub use signature::{Signature, Tensor};
pub use wire::{Binary, Form, Received};

use crate::{Error, Kind, Result};

/// A model that answers. May be asked from many threads at once.
pub trait Predictor: Send + Sync {
    fn signature(&self) -> &Signature;

    /// What runs the model, as the protocol wants it named: `onnxruntime_onnx`.
    fn platform(&self) -> &str;

    /// Whether it can answer at this moment.
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether it answers in this process, and waits for nobody.
    fn is_in_process(&self) -> bool {
        false
    }

    /// Has every copy of the model answer this once, so that the first client does not wait for what is done only once.
    fn warm(&self, request: &InferRequest) -> Result<()>;

    /// Answers the request, or says with [`BadRequest`] what is wrong with it.
    fn infer(&self, request: &InferRequest) -> Result<InferResponse>;
}

/// The model can't answer now, and may later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

impl From<Unavailable> for Error {
    fn from(error: Unavailable) -> Self {
        Error::new(Kind::Failed, error)
    }
}

/// A request that can't be answered, whatever the state of the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(String);

impl BadRequest {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<BadRequest> for Error {
    fn from(error: BadRequest) -> Self {
        Error::new(Kind::Usage, error)
    }
}
