//! Requests and responses, as the protocol writes them in JSON.

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{BadRequest, Elements, Received, parse};

/// What a model is asked. Shape and data of each input agree; whether a model takes them is for
/// [`super::Signature::check`] to say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InferRequest {
    /// Comes back in the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub inputs: Vec<NamedTensor>,
    /// The outputs that are asked for; all of them where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(serialize_with = "write_output_names", deserialize_with = "parse::output_names")]
    pub outputs: Vec<String>,
    /// What else the client says; for predictors that know what it means.
    #[serde(default, skip_serializing_if = "Map::is_empty", deserialize_with = "parse::parameters")]
    pub parameters: Map<String, Value>,
}

/// What a model answers. As JSON it has what the model knows; the server adds which model it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InferResponse {
    pub outputs: Vec<NamedTensor>,
}

/// A tensor under its name; as many elements as the shape says.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: Elements,
}

impl InferRequest {
    /// Reads a request that is all JSON. Data may be flat or nested as the shape says; keys may come in any order.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BadRequest> {
        Received::read(bytes, None).map(|received| received.request)
    }
}

impl InferResponse {
    /// The outputs that the request asks for, in its order; all of them where it names none.
    pub fn of(outputs: Vec<NamedTensor>, request: &InferRequest) -> Self {
        if request.outputs.is_empty() {
            return Self { outputs };
        }
        let position = |output: &NamedTensor| request.outputs.iter().position(|name| *name == output.name);
        let mut chosen: Vec<(usize, NamedTensor)> =
            outputs.into_iter().filter_map(|output| Some((position(&output)?, output))).collect();
        chosen.sort_by_key(|(position, _)| *position);
        Self { outputs: chosen.into_iter().map(|(_, output)| output).collect() }
    }
}

impl Serialize for NamedTensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tensor = serializer.serialize_struct("NamedTensor", 4)?;
        tensor.serialize_field("name", &self.name)?;
        tensor.serialize_field("datatype", self.data.datatype().name())?;
        tensor.serialize_field("shape", &self.shape)?;
        tensor.serialize_field("data", &self.data)?;
        tensor.end()
    }
}

fn write_output_names<S: Serializer>(names: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Output<'a> {
        name: &'a str,
    }
    let mut outputs = serializer.serialize_seq(Some(names.len()))?;
    names.iter().try_for_each(|name| outputs.serialize_element(&Output { name }))?;
    outputs.end()
}
