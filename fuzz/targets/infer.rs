//! Requests for inference: nothing that a client sends makes a reader panic, what reads agrees with itself, and what is
//! written reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlx::predictor::{Datatype, InferRequest, Received, Signature, Tensor, mlflow, rows};

fuzz_target!(|bytes: &[u8]| {
    json(bytes);
    if let Some((length, body)) = bytes.split_first_chunk::<2>() {
        with_binary(body, usize::from(u16::from_le_bytes(*length)));
    }
    for signature in [matrix(), several()] {
        let _ = rows::from_csv(&signature, bytes).inspect(|request| fits(&signature, request));
        let _ = rows::from_json(&signature, bytes);
        let _ = mlflow::from_json(&signature, bytes).inspect(|(request, _)| sound(request));
    }
});

fn json(bytes: &[u8]) {
    let Ok(request) = InferRequest::from_json(bytes) else { return };
    sound(&request);
    let _ = matrix().check(&request);
    let written = serde_json::to_vec(&request).expect("what came as JSON can be written as JSON");
    let again = InferRequest::from_json(&written).expect("what was written reads back");
    // NaN is not equal to itself, so that the text is compared.
    assert!(serde_json::to_vec(&again).expect("it was written before") == written);
}

fn with_binary(body: &[u8], json_bytes: usize) {
    let Ok(Received { request, .. }) = Received::read(body, Some(json_bytes)) else { return };
    sound(&request);
}

/// As many elements as the shape says.
fn sound(request: &InferRequest) {
    for input in &request.inputs {
        assert!(input.shape.iter().product::<usize>() == input.data.len() || input.shape.contains(&0));
        let mut bytes = Vec::new();
        input.data.write_binary(&mut bytes);
        assert!(bytes.len() == input.data.binary_size());
    }
}

fn fits(signature: &Signature, request: &InferRequest) {
    sound(request);
    signature.check(request).expect("rows make a request that the model takes");
}

fn tensor(name: &str, datatype: Datatype, shape: &[i64], columns: &[&str]) -> Tensor {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    Tensor { name: name.into(), datatype, shape: shape.into(), columns }
}

fn matrix() -> Signature {
    Signature { inputs: vec![tensor("x", Datatype::Fp32, &[-1, 2], &["a", "b"])], outputs: vec![] }
}

fn several() -> Signature {
    let inputs = vec![tensor("age", Datatype::Int8, &[-1, 1], &[]), tensor("town", Datatype::Bytes, &[-1], &[])];
    Signature { inputs, outputs: vec![] }
}

