"""Checks the OpenAPI document of a server, and sends the example of each path that has one."""

import sys

import requests
from openapi_spec_validator import validate

base = f"http://{sys.argv[1]}"
document = requests.get(f"{base}/openapi.json").json()
validate(document)
sent = 0
for path, item in document["paths"].items():
    if "post" in item:
        example = item["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = requests.post(base + path, json=example)
        assert answer.status_code == 200, answer.text
        sent += 1
    else:
        answer = requests.get(base + path)
        assert answer.status_code == 200, path
        said = item["get"]["responses"]["200"]["content"]
        assert answer.headers["content-type"].split(";")[0] in said, (path, answer.headers, said)
assert sent == 3, sent
assert {"/", "/openapi.json", "/status", "/metrics"} <= document["paths"].keys()
