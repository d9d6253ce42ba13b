"""Checks the documents of a bundle by the rules of their formats: CycloneDX, in-toto and SLSA, ModelPack, OCI."""

import json
import sys
from pathlib import Path

import jsonschema
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement, statement_pb2

root = Path(sys.argv[1])
bill = (root / "out/environment/sbom.cdx.json").read_text()
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill)
assert error is None, error
six = next(part for part in json.loads(bill)["components"] if part["name"] == "six")
assert six["purl"] == "pkg:pypi/six@1.17.0" and len(six["hashes"][0]["content"]) == 64, six

# The protobuf definitions know every field that there is; an unknown one is an error.
message = json_format.Parse((root / "out/provenance.json").read_text(), statement_pb2.Statement())
statement.Statement.copy_from_pb(message).validate()
assert message.predicate_type == "https://slsa.dev/provenance/v1"
predicate = json_format.MessageToJson(message.predicate)
provenance = json_format.Parse(predicate, provenance_pb2.Provenance())
assert provenance.build_definition.build_type and provenance.build_definition.HasField("external_parameters")
assert provenance.run_details.builder.id and provenance.run_details.metadata.invocation_id
names = {source.name for source in provenance.build_definition.resolved_dependencies}
assert {"raw.csv", "commit", "environment lock"} <= names, names

# ModelPack's config as its specification has it: closed at every level, with these fields and no others.
text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}


def closed(required: list[str], **properties: object) -> dict:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


fields = ["authors", "licenses", "datasetsURL"]
names = ["createdAt", "family", "name", "docURL", "sourceURL", "version", "revision", "vendor", "title", "description"]
descriptor = closed([], **{name: text for name in names}, **{name: texts for name in fields})
config = closed([], **{name: text for name in ["architecture", "format", "paramSize", "precision", "quantization"]})
digest = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
files = closed(["type", "diffIds"], type={"enum": ["layers"]}, diffIds={"type": "array", "items": digest, "minItems": 1})
schema = closed(["descriptor", "config", "modelfs"], descriptor=descriptor, config=config, modelfs=files)


def blob(descriptor: dict) -> bytes:
    content = (root / "layout/blobs/sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
    assert len(content) == descriptor["size"]
    return content


index = json.loads((root / "layout/index.json").read_text())
[manifest] = [json.loads(blob(descriptor)) for descriptor in index["manifests"]]
assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
packed = json.loads(blob(manifest["config"]))
jsonschema.validate(packed, schema)
assert packed["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]
kinds = {"weight.v1.raw", "code.v1.tar", "doc.v1.tar", "dataset.v1.tar", "weight.config.v1.tar"}
assert {layer["mediaType"].removeprefix("application/vnd.cncf.model.") for layer in manifest["layers"]} <= kinds
