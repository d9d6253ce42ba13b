"""Asks a server with the linear model in the forms that MLflow documents for its scoring server.

<https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/>
"""

import gzip
import json
import sys

import pandas
import requests

base = f"http://{sys.argv[1]}"
url = f"{base}/invocations"
frame = pandas.DataFrame({"height": [1, 10], "width": [2.0, 0.0], "depth": [3, 0]})
matrix = frame.to_numpy().tolist()
expected = {"predictions": [[2.5], [10.5]]}
as_json = {"Content-Type": "application/json"}

forms = [
    {"dataframe_split": frame.to_dict(orient="split")},
    {"dataframe_split": {"columns": ["height", "width", "depth"], "data": matrix}},
    {"dataframe_records": frame.to_dict(orient="records")},
    {"instances": matrix},
    {"instances": frame.to_dict(orient="records")},
    {"instances": [{"x": row} for row in matrix]},
    {"inputs": matrix},
    {"inputs": {"x": matrix}},
    {"inputs": frame.to_dict(orient="list")},
    {"inputs": matrix, "params": {"temperature": 0.5}},
]
for form in forms:
    for headers in (as_json, {"Content-Type": "application/json; charset=utf-8"}, {}):
        answer = requests.post(url, data=json.dumps(form), headers=headers)
        assert (answer.status_code, answer.json()) == (200, expected), (form, answer.text)
assert requests.post(url, json=forms[0]).json() == expected
packed = gzip.compress(json.dumps(forms[0]).encode())
assert requests.post(url, data=packed, headers={**as_json, "Content-Encoding": "gzip"}).json() == expected

# Columns in any order, with one more; with a type, and without.
csv = frame[["depth", "height", "width"]].assign(id="x").to_csv(index=False)
for headers in ({"Content-Type": "text/csv"}, {"Content-Type": "text/csv; charset=UTF-8"}, {}):
    assert requests.post(url, data=csv, headers=headers).json() == expected

for path in ("/ping", "/health", "/version"):
    answer = requests.get(base + path)
    assert answer.status_code == 200 and answer.text, answer.text

for wrong, headers in [
    ("", as_json),
    ("{", as_json),
    ("[1]", as_json),
    ('{"inputs": [[1, 2, 3]], "instances": [[1, 2, 3]]}', as_json),
    ('{"inputs": [[1, 2]]}', as_json),
    ('{"inputs": [[1, NaN, 2]]}', as_json),
    ('{"dataframe_records": [{"height": 1}]}', as_json),
    ('{"dataframe_split": {"columns": ["height", "width", "depth"], "data": [[1, 2, "deep"]]}}', as_json),
    ('{"inputs": [[1, 2, 3]], "params": {"a": "%s"}}' % ("x" * 100_000), as_json),
    ('{"inputs": ' + "[" * 100_000 + "}", as_json),
    ("height,width\n1,2\n", {"Content-Type": "text/csv"}),
    ("height,width,depth\n1,2,deep\n", {"Content-Type": "text/csv"}),
]:
    answer = requests.post(url, data=wrong, headers=headers)
    assert answer.status_code == 400 and list(answer.json()) == ["error"], (wrong[:100], answer.text)
assert requests.get(url).status_code == 405
print("every documented form was answered")
