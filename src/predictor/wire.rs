//! A request as it travels: JSON, and after it the elements of those tensors that say so, in binary.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::parse::{self, Head, Source};
use super::{BadRequest, Elements, InferRequest, NamedTensor};

/// A request, and the form that its answer is to have.
#[derive(Debug)]
pub struct Received {
    pub request: InferRequest,
    pub form: Form,
}

/// Which outputs the client wants in binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Those that nothing else is said of.
    is_binary: bool,
    named: Vec<(String, bool)>,
}

impl Form {
    /// Whether the output with this name goes after the JSON.
    pub fn is_binary(&self, output: &str) -> bool {
        self.named.iter().find(|(name, _)| name == output).map_or(self.is_binary, |(_, is_binary)| *is_binary)
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    id: Option<String>,
    inputs: Vec<Head>,
    #[serde(default)]
    outputs: Option<Vec<Output>>,
    #[serde(default, deserialize_with = "parse::parameters")]
    parameters: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(expecting = "an output, which is an object with a name")]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Option<OutputParameters>,
}

#[derive(Deserialize)]
struct OutputParameters {
    #[serde(default)]
    binary_data: Option<bool>,
}

impl Received {
    /// Reads a request whose first `json_bytes` bytes are JSON and whose rest are tensors; all of it is JSON where
    /// nothing is said.
    pub fn read(bytes: &[u8], json_bytes: Option<usize>) -> Result<Self, BadRequest> {
        let whole = bytes.len();
        let (json, mut rest) = bytes.split_at_checked(json_bytes.unwrap_or(whole)).ok_or_else(|| {
            BadRequest::new(format!(
                "the JSON is said to have {} bytes, and the whole request has {whole}",
                json_bytes.unwrap_or(whole)
            ))
        })?;
        // What is read as an object could be written as a list of its fields, which is no part of the protocol.
        if json.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(BadRequest::new("the request is no JSON object"));
        }
        let body: Body = serde_json::from_slice(json)
            .map_err(|error| BadRequest::new(format!("the request can't be read: {error}")))?;
        let Body { id, inputs, outputs, mut parameters } = body;
        let inputs = inputs.into_iter().map(|head| tensor(head, &mut rest)).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            let left = rest.len();
            return Err(BadRequest::new(format!("{left} bytes are left after the data of all inputs")));
        }
        let is_binary = match parameters.remove("binary_data_output") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_binary)) => is_binary,
            Some(_) => return Err(BadRequest::new("the parameter `binary_data_output` is neither true nor false")),
        };
        let mut form = Form { is_binary, named: Vec::new() };
        let mut names = Vec::new();
        for Output { name, parameters } in outputs.unwrap_or_default() {
            if let Some(is_binary) = parameters.and_then(|parameters| parameters.binary_data) {
                form.named.push((name.clone(), is_binary));
            }
            names.push(name);
        }
        Ok(Self { request: InferRequest { id, inputs, outputs: names, parameters }, form })
    }
}

/// The outputs in a message whose JSON says which they are.
pub fn outputs(json: &[u8], mut binary: &[u8]) -> Result<Vec<NamedTensor>, BadRequest> {
    #[derive(Deserialize)]
    struct Outputs {
        outputs: Vec<Head>,
    }
    let Outputs { outputs } = serde_json::from_slice(json).map_err(|error| BadRequest::new(error.to_string()))?;
    outputs.into_iter().map(|head| tensor(head, &mut binary)).collect()
}

/// A tensor as JSON that leaves its elements to what follows.
pub struct Binary<'a>(pub &'a NamedTensor);

impl Serialize for Binary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Size {
            binary_data_size: usize,
        }
        let NamedTensor { name, shape, data } = self.0;
        let mut tensor = serializer.serialize_struct("Binary", 4)?;
        tensor.serialize_field("name", name)?;
        tensor.serialize_field("datatype", data.datatype().name())?;
        tensor.serialize_field("shape", shape)?;
        tensor.serialize_field("parameters", &Size { binary_data_size: data.binary_size() })?;
        tensor.end()
    }
}

/// The tensor with its elements, which are taken from the front of `rest` where they are in binary.
fn tensor(head: Head, rest: &mut &[u8]) -> Result<NamedTensor, BadRequest> {
    let Head { name, shape, datatype, data } = head;
    let refused = |why: String| BadRequest::new(format!("tensor `{name}` {why}"));
    let data = match data {
        Source::Here(data) => data,
        Source::Binary(size) => {
            let count = parse::count(&shape).ok_or_else(|| refused(parse::uncountable(&shape)))?;
            let (bytes, after) = rest.split_at_checked(size).ok_or_else(|| {
                let left = rest.len();
                refused(format!(
                    "is said to have {size} bytes in binary, and {left} are left; the header \
                     Inference-Header-Content-Length says where the JSON ends"
                ))
            })?;
            *rest = after;
            Elements::from_binary(datatype, count, bytes).map_err(refused)?
        }
    };
    Ok(NamedTensor { name, shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"inputs": [
        {"name": "a", "shape": [2], "datatype": "INT16", "parameters": {"binary_data_size": 4}},
        {"name": "b", "shape": [1], "datatype": "FP32", "data": [1]},
        {"name": "c", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 9}}],
        "outputs": [{"name": "x", "parameters": {"binary_data": false}}, {"name": "y"}],
        "parameters": {"binary_data_output": true, "own": 1}}"#;

    fn with_tail(tail: &[u8]) -> Vec<u8> {
        [HEAD.as_bytes(), tail].concat()
    }

    #[test]
    fn tensors_after_the_json_are_read_in_the_order_of_the_inputs() {
        let body = with_tail(b"\x01\0\xff\xff\x01\0\0\0\xfe\0\0\0\0");

        let Received { request, form } = Received::read(&body, Some(HEAD.len())).unwrap();

        assert_eq!(request.inputs[0].data, Elements::Int16(vec![1, -1]));
        assert_eq!(request.inputs[2].data, Elements::Bytes(vec![vec![0xfe], vec![]]));
        assert_eq!((form.is_binary("x"), form.is_binary("y"), request.parameters.len()), (false, true, 1));
    }

    #[test]
    fn binary_that_does_not_fit_is_refused() {
        let problem = |body: &[u8], json| Received::read(body, json).unwrap_err().to_string();
        let head = HEAD.len();

        assert!(
            problem(&with_tail(b"\x01\0\xff\xff\x01\0\0\0"), Some(head))
                .contains("`c` is said to have 9 bytes in binary, and 4 are left")
        );
        assert!(
            problem(HEAD.as_bytes(), None).contains("tensor `a` is said to have 4 bytes in binary, and 0 are left")
        );
        assert!(
            problem(&with_tail(b"\x01\0\xff\xff\x01\0\0\0\xfe\0\0\0\0\0"), Some(head)).contains("1 bytes are left")
        );
        assert!(problem(b"{}", Some(3)).contains("the JSON is said to have 3 bytes, and the whole request has 2"));
        let both = br#"{"inputs": [{"name": "a", "shape": [1], "datatype": "INT8", "data": [1], "parameters": {"binary_data_size": 1}}]}"#;
        assert!(problem(both, None).contains("tensor `a` has data both in JSON and in binary"));
        let huge = br#"{"inputs": [{"name": "a", "shape": [4611686018427387904, 4], "datatype": "FP64", "parameters": {"binary_data_size": 0}}]}"#;
        assert!(problem(huge, None).contains("more than memory can hold"));
        let negative =
            br#"{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": -8}}]}"#;
        assert!(problem(negative, None).contains("expected usize"));
    }
}
