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
        assert requests.get(base + path).status_code == 200, path
assert sent == 3, sent
