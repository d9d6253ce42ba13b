"""What people write by hand: FastAPI, uvicorn, and the same ONNX model on ONNX Runtime, one thread."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
app = FastAPI()


@app.post("/infer")
async def infer(request: Request):
    body = await request.json()
    tensor = body["inputs"][0]
    rows = np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])
    results = session.run(names, {"input": rows})
    return {"outputs": [{"name": n, "shape": list(r.shape), "data": r.ravel().tolist()} for n, r in zip(names, results)]}
