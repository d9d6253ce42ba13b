//! An OpenAPI document of what is served, with a request for each model that can be sent as it stands.

use serde_json::{Map, Value, json};

use super::Release;
use super::http::App;
use super::model::Model;
use crate::predictor::{Datatype, Tensor};

/// The document, for OpenAPI 3.1.
pub fn document(app: &App) -> Value {
    let mut paths = Map::new();
    let mut add = |path: String, item: Value| drop(paths.insert(path, item));
    let page = text("A page to try the models in a browser", "page", "text/html");
    add("/".into(), json!({"get": with(page, "security", json!([]))}));
    add("/openapi.json".into(), json!({"get": operation("This document", "openapi", json!({"type": "object"}))}));
    add("/v2".into(), json!({"get": operation("The server and its models", "server", json!({"type": "object"}))}));
    for (path, what) in [("live", "Whether the server runs"), ("ready", "Whether it can be asked")] {
        let open = with(operation(what, path, json!({"type": "object"})), "security", json!([]));
        add(format!("/v2/health/{path}"), json!({"get": open}));
    }
    let catalog = app.catalog();
    for entry in catalog.entries() {
        let (model, name, version) = (&entry.served.model, entry.name(), entry.version());
        let base = format!("/v2/models/{name}/versions/{version}");
        let id = |what: &str| format!("{what}-{name}-{version}");
        let about = format!("What `{name}` {version} takes and gives");
        add(base.clone(), json!({"get": operation(&about, &id("metadata"), reference("Model"))}));
        add(format!("{base}/ready"), json!({"get": is_ready(&format!("`{name}` {version}"), &id("ready"))}));
        add(format!("{base}/infer"), json!({"post": ask(model, &id("infer"))}));
    }
    for name in catalog.names() {
        // The newest version that is no canary.
        let newest = catalog.of_name(name).rfind(|entry| !entry.is_canary());
        if let Some(entry) = newest.or_else(|| catalog.of_name(name).next_back()) {
            let about = format!("What `{name}` takes and gives");
            let metadata = operation(&about, &format!("metadata-{name}"), reference("Model"));
            add(format!("/v2/models/{name}"), json!({"get": metadata}));
            let model = &entry.served.model;
            let ready = is_ready(&format!("`{name}`"), &format!("ready-{name}"));
            add(format!("/v2/models/{name}/ready"), json!({"get": ready}));
            add(format!("/v2/models/{name}/infer"), json!({"post": ask(model, &format!("infer-{name}"))}));
        }
    }
    // The path names no model, so that it answers where there is one only.
    if let [name] = catalog.names().as_slice()
        && let Some(entry) = catalog.of_name(name).next_back()
    {
        add("/invocations".into(), json!({"post": invoke(&entry.served.model)}));
    }
    for (path, about) in [("ping", "Whether the server can be asked"), ("health", "The same")] {
        let open = with(plain(about, path), "security", json!([]));
        add(format!("/{path}"), json!({"get": open}));
    }
    add("/version".into(), json!({"get": with(plain("The version of the server", "version"), "security", json!([]))}));
    add("/metrics".into(), json!({"get": plain("Counters for Prometheus", "metrics")}));
    let status = operation(
        "What is served, and what becomes of the targets that are followed",
        "status",
        json!({"type": "object"}),
    );
    add("/status".into(), json!({"get": status}));
    let mut components = json!({"schemas": schemas()});
    let mut security = json!([]);
    if app.tokens.is_some() {
        components = with(components, "securitySchemes", json!({"token": {"type": "http", "scheme": "bearer"}}));
        security = json!([{"token": []}]);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("mlx: {}", catalog.names().join(", ")),
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The Open Inference Protocol v2, and the paths of MLflow's scoring server.",
        },
        "paths": paths,
        "components": components,
        "security": security,
    })
}

fn ask(model: &Model, id: &str) -> Value {
    let about = format!("Ask `{}` {}", model.origin.model_name, model.origin.model_version);
    let content = json!({"application/json": {"schema": reference("Request"), "example": example(&model.release)}});
    let body = json!({"required": true, "content": content});
    with(operation(&about, id, reference("Response")), "requestBody", body)
}

/// As MLflow's scoring server is asked.
fn invoke(model: &Model) -> Value {
    let about =
        format!("Ask `{}` {} as MLflow's scoring server is", model.origin.model_name, model.origin.model_version);
    let body = json!({"required": true, "content": {
        "application/json": {"schema": reference("Invocation"), "example": invocation(&example(&model.release))},
        "text/csv": {"schema": {"type": "string", "description": "A line with the names of the columns, then the rows"}},
    }});
    let answer = json!({"type": "object", "required": ["predictions"], "properties": {"predictions": {}}});
    with(operation(&about, "invocations", answer), "requestBody", body)
}

fn is_ready(what: &str, id: &str) -> Value {
    operation(&format!("Whether {what} can be asked"), id, json!({"type": "object"}))
}

/// An operation whose answer is text.
fn plain(about: &str, id: &str) -> Value {
    text(about, id, "text/plain")
}

/// An operation whose answer is text of this type.
fn text(about: &str, id: &str, media_type: &str) -> Value {
    let mut operation = operation(about, id, json!({}));
    operation["responses"]["200"]["content"] = json!({media_type: {"schema": {"type": "string"}}});
    operation
}

fn operation(about: &str, id: &str, answer: Value) -> Value {
    let refusal =
        json!({"description": "A refusal", "content": {"application/json": {"schema": reference("Refusal")}}});
    json!({
        "summary": about,
        "operationId": id,
        "responses": {
            "200": {"description": "An answer", "content": {"application/json": {"schema": answer}}},
            "default": refusal,
        },
    })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn schemas() -> Value {
    let text = json!({"type": "string"});
    let datatypes = Datatype::ALL.map(Datatype::name);
    let shape = json!({"type": "array", "items": {"type": "integer"}});
    let tensor = |more: Value| {
        let mut properties = json!({"name": text, "datatype": {"enum": datatypes}, "shape": shape});
        let more = more.as_object().cloned().unwrap_or_default();
        more.into_iter().for_each(|(key, value)| properties[key] = value);
        json!({"type": "object", "required": ["name", "datatype", "shape"], "properties": properties})
    };
    let data = json!({"data": {"type": "array", "items": {}, "description": "Flat, or nested as the shape says"}});
    let output = json!({"type": "object", "required": ["name"], "properties": {"name": text}});
    let tensors = |name: &str| json!({"type": "array", "items": reference(name)});
    json!({
        "Tensor": tensor(data),
        "Declared": tensor(json!({"columns": {"type": "array", "items": text}})),
        "Model": {
            "type": "object",
            "properties": {
                "name": text, "versions": {"type": "array", "items": text}, "platform": text,
                "inputs": tensors("Declared"), "outputs": tensors("Declared"),
            },
        },
        "Request": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": text, "inputs": tensors("Tensor"), "outputs": {"type": "array", "items": output},
                "parameters": {"type": "object"},
            },
        },
        "Response": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                "model_name": text, "model_version": text, "id": text, "parameters": {"type": "object"},
                "outputs": tensors("Tensor"),
            },
        },
        "Invocation": {
            "type": "object",
            "description": "One of the forms, and parameters",
            "properties": {
                "dataframe_split": {"type": "object"},
                "dataframe_records": {"type": "array", "items": {"type": "object"}},
                "instances": {"type": "array", "items": {}}, "inputs": {}, "params": {"type": "object"},
            },
        },
        "Refusal": {"type": "object", "required": ["error"], "properties": {"error": text}},
    })
}

/// A request of one row: the first that was recorded, else one of zeros.
pub fn example(release: &Release) -> Value {
    let recorded = release.description.smoke.as_ref().and_then(|smoke| smoke.request["inputs"].as_array());
    let inputs: Vec<Value> = match recorded {
        Some(inputs) => inputs.iter().map(first_row).collect(),
        None => release.signature.inputs.iter().map(zeros).collect(),
    };
    json!({"inputs": inputs})
}

/// The same request in a form of MLflow's.
fn invocation(request: &Value) -> Value {
    let inputs = request["inputs"].as_array().into_iter().flatten();
    let input = |input: &Value| {
        let lengths: Vec<u64> = input["shape"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let data = input["data"].as_array().map_or(&[][..], Vec::as_slice);
        (input["name"].as_str().unwrap_or_default().to_owned(), nested(data, &lengths))
    };
    json!({"inputs": inputs.map(input).collect::<Map<_, _>>()})
}

/// Flat elements as lists of lists.
fn nested(data: &[Value], shape: &[u64]) -> Value {
    match shape {
        [] => data.first().cloned().unwrap_or_default(),
        [_] => json!(data),
        [length, inner @ ..] => {
            let width = data.len() / usize::try_from(*length).unwrap_or(1).max(1);
            data.chunks(width.max(1)).map(|row| nested(row, inner)).collect()
        }
    }
}

fn first_row(input: &Value) -> Value {
    let mut input = input.clone();
    if let (Some(rows), Some(data)) = (input["shape"][0].as_u64(), input["data"].as_array_mut()) {
        data.truncate(data.len() / usize::try_from(rows).unwrap_or(1).max(1));
        input["shape"][0] = json!(1);
    }
    input
}

fn zeros(input: &Tensor) -> Value {
    let shape: Vec<usize> = input.shape.iter().map(|length| usize::try_from(*length).unwrap_or(1)).collect();
    // A large one says as much with its first elements, and is to be filled in anyway.
    let count = shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length)).unwrap_or(0).min(4096);
    let zero = match input.datatype {
        Datatype::Bytes => json!(""),
        Datatype::Bool => json!(false),
        _ => json!(0),
    };
    json!({"name": input.name, "shape": shape, "datatype": input.datatype.name(), "data": vec![zero; count]})
}
