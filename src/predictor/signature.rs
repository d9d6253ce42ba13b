//! What a model takes and gives.

use serde::{Deserialize, Serialize};

use super::{BadRequest, Datatype, InferRequest};

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
    pub datatype: Datatype,
    /// -1 stands for a dimension of any length.
    pub shape: Vec<i64>,
    /// The names of the columns along the last dimension, where the data told them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl Signature {
    /// Whether a model with this signature can answer the request: every input once, with its datatype and a shape that
    /// fits, and only outputs that there are.
    pub fn check(&self, request: &InferRequest) -> Result<(), BadRequest> {
        for (index, input) in request.inputs.iter().enumerate() {
            let Some(declared) = self.inputs.iter().find(|declared| declared.name == input.name) else {
                let known = names(&self.inputs);
                return Err(BadRequest::new(format!("the model has no input `{}`; it takes {known}", input.name)));
            };
            if request.inputs[..index].iter().any(|earlier| earlier.name == input.name) {
                return Err(BadRequest::new(format!("input `{}` is given twice", input.name)));
            }
            let datatype = input.data.datatype();
            if datatype != declared.datatype {
                let message = format!("input `{}` is {}, not {datatype}", input.name, declared.datatype);
                return Err(BadRequest::new(message));
            }
            if !declared.fits(&input.shape) {
                let (wanted, found) = (&declared.shape, &input.shape);
                return Err(BadRequest::new(format!(
                    "input `{}` has shape {wanted:?}, where -1 is any length, not {found:?}",
                    input.name
                )));
            }
        }
        if let Some(missing) =
            self.inputs.iter().find(|declared| request.inputs.iter().all(|i| i.name != declared.name))
        {
            return Err(BadRequest::new(format!("input `{}` is missing", missing.name)));
        }
        for (index, name) in request.outputs.iter().enumerate() {
            if self.outputs.iter().all(|declared| declared.name != *name) {
                let known = names(&self.outputs);
                return Err(BadRequest::new(format!("the model has no output `{name}`; it gives {known}")));
            }
            if request.outputs[..index].contains(name) {
                return Err(BadRequest::new(format!("output `{name}` is asked for twice")));
            }
        }
        Ok(())
    }
}

impl Tensor {
    fn fits(&self, shape: &[usize]) -> bool {
        let same = |(declared, found): (&i64, &usize)| *declared < 0 || usize::try_from(*declared) == Ok(*found);
        self.shape.len() == shape.len() && self.shape.iter().zip(shape).all(same)
    }
}

fn names(tensors: &[Tensor]) -> String {
    tensors.iter().map(|tensor| format!("`{}`", tensor.name)).collect::<Vec<_>>().join(", ")
}
