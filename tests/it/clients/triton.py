"""Asks a server with the echo model through Triton's own HTTP client: every datatype, JSON and binary, compressed."""

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

client = triton.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("m")
assert client.is_model_ready("m", "1") and not client.is_model_ready("other")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
metadata = client.get_model_metadata("m")
assert metadata["versions"] == ["1"] and len(metadata["inputs"]) == 13

values = {}
for declared in metadata["inputs"]:
    name, kind = declared["name"], triton_to_np_dtype(declared["datatype"])
    assert declared["shape"] == [-1, -1]
    if name == "BYTES":
        values[name] = np.array([["Größe".encode(), b""], [b"b" * 2000, b"c"]], dtype=np.object_)
    elif name == "BOOL":
        values[name] = np.array([[True, False], [False, True]])
    else:
        values[name] = (np.arange(4).reshape(2, 2) - (0 if "U" in name else 2)).astype(kind)


def ask(is_binary_in, is_binary_out, **options):
    inputs, outputs = [], []
    for name, value in values.items():
        tensor = triton.InferInput(name, list(value.shape), name)
        # The client itself refuses to write this one as JSON.
        tensor.set_data_from_numpy(value, binary_data=is_binary_in or name == "FP16")
        inputs.append(tensor)
        outputs.append(triton.InferRequestedOutput(f"{name}_back", binary_data=is_binary_out or name == "FP16"))
    result = client.infer("m", inputs, outputs=outputs, request_id="seven", **options)
    assert result.get_response()["id"] == "seven"
    for name, value in values.items():
        back = result.as_numpy(f"{name}_back")
        expected = value if is_binary_out or name != "BYTES" else np.vectorize(bytes.decode, otypes=[object])(value)
        assert back.dtype == value.dtype and back.shape == value.shape, (name, back)
        assert all(as_bytes(a) == as_bytes(b) for a, b in zip(back.flat, expected.flat)), (name, back)


def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


for is_binary_in in (False, True):
    for is_binary_out in (False, True):
        ask(is_binary_in, is_binary_out)
for algorithm in ("gzip", "deflate"):
    ask(True, True, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
    ask(False, False, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)

# Without any output named, all come, in binary.
tensors = []
for name, value in values.items():
    tensor = triton.InferInput(name, list(value.shape), name)
    tensor.set_data_from_numpy(value)
    tensors.append(tensor)
assert client.infer("m", tensors, model_version="1").as_numpy("INT8_back").tolist() == [[-2, -1], [0, 1]]

for wrong in (tensors[:1], tensors + tensors[:1]):
    try:
        client.infer("m", wrong)
    except InferenceServerException as error:
        assert error.status() == "400", error
    else:
        raise AssertionError("a wrong request was answered")
print("answers of all datatypes are as they were sent")
