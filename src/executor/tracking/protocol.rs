//! The part of MLflow's REST API that clients need to log: `api/2.0/mlflow` as <https://mlflow.org/docs/latest/rest-api.html>
//! has it, and the logged models of MLflow 3.

use serde_json::{Map, Value, json};

/// Why something is not done, as MLflow's clients understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    /// What is asked for is not there.
    pub fn missing(what: &str) -> Self {
        Self { status: 404, code: "RESOURCE_DOES_NOT_EXIST", message: format!("there is no {what}") }
    }

    /// What is asked for is nothing that this server does.
    pub fn unknown(message: &str) -> Self {
        Self { status: 404, code: "ENDPOINT_NOT_FOUND", message: message.to_owned() }
    }

    /// The request makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, code: "INVALID_PARAMETER_VALUE", message: message.into() }
    }
}

/// What a request says: the fields of its JSON, or of its query.
pub struct Arguments(Map<String, Value>);

/// A metric as clients log it.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub key: String,
    /// `None` where it is not finite.
    pub value: Option<f64>,
    /// In milliseconds.
    pub timestamp: i64,
    pub step: i64,
}

impl Arguments {
    pub fn of(method: &str, query: &str, body: &[u8]) -> Result<Self, Refusal> {
        if method == "GET" {
            let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
            return Ok(Self(pairs.map(|(name, value)| (name, Value::String(value))).collect()));
        }
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(body).map(Self).map_err(|error| Refusal::bad(format!("that is no JSON object: {error}")))
    }

    pub fn optional(&self, name: &str) -> Option<String> {
        text(self.0.get(name)?)
    }

    pub fn text(&self, name: &str) -> Result<String, Refusal> {
        self.optional(name).ok_or_else(|| Refusal::bad(format!("`{name}` is missing")))
    }

    pub fn run_id(&self) -> Result<String, Refusal> {
        self.optional("run_id").map_or_else(|| self.text("run_uuid"), Ok)
    }

    /// A time in milliseconds.
    pub fn time(&self, name: &str) -> Option<i64> {
        integer(self.0.get(name)?)
    }

    /// `[{"key": …, "value": …}]`.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let pair = |item: &Value| Some((text(item.get("key")?)?, item.get("value").and_then(text).unwrap_or_default()));
        self.list(name).filter_map(pair).collect()
    }

    pub fn points(&self, name: &str) -> Vec<Point> {
        self.list(name).filter_map(Value::as_object).filter_map(point).collect()
    }

    pub fn point(&self) -> Result<Point, Refusal> {
        point(&self.0).ok_or_else(|| Refusal::bad("`key` and `value` of the metric are missing"))
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten()
    }
}

/// Texts are texts; numbers, as ids are in some versions, become ones.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Protocol buffers write such numbers as text, too.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)),
    }
}

fn point(fields: &Map<String, Value>) -> Option<Point> {
    // What is not finite comes as `"NaN"`, `"Infinity"` or `"-Infinity"`, and nothing at all is 0.
    let value = match fields.get("value") {
        None => Some(0.0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_f64(),
    };
    let number = |name: &str| fields.get(name).and_then(integer).unwrap_or(0);
    let key = text(fields.get("key")?)?;
    Some(Point {
        key,
        value: value.filter(|value| value.is_finite()),
        timestamp: number("timestamp"),
        step: number("step"),
    })
}

impl Point {
    pub fn json(&self) -> Value {
        let value = self.value.map_or_else(|| json!("NaN"), |value| json!(value));
        json!({ "key": self.key, "value": value, "timestamp": self.timestamp, "step": self.step })
    }
}

/// `[{"key": …, "value": …}]`.
pub fn list<'p>(pairs: impl IntoIterator<Item = (&'p String, &'p String)>) -> Value {
    pairs.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(metrics: &Value) -> Vec<Point> {
        let body = json!({ "metrics": metrics }).to_string();
        Arguments::of("POST", "", body.as_bytes()).unwrap().points("metrics")
    }

    #[test]
    fn numbers_are_understood_as_protocol_buffers_write_them() {
        let found = points(&json!([
            { "key": "loss", "value": 0.5, "timestamp": "1700000000000", "step": "3" },
            { "key": "bad", "value": "NaN", "timestamp": 1, "step": -2 },
            { "key": "zero" },
            { "value": 1 },
        ]));

        let point = |key: &str, value, timestamp, step| Point { key: key.into(), value, timestamp, step };
        let expected =
            [point("loss", Some(0.5), 1_700_000_000_000, 3), point("bad", None, 1, -2), point("zero", Some(0.0), 0, 0)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["[]", "{", "7"] {
            assert_eq!(Arguments::of("POST", "", body.as_bytes()).err().unwrap().status, 400, "{body}");
        }
        assert_eq!(Arguments::of("GET", "run_id=a%20b", b"").unwrap().run_id().unwrap(), "a b");
    }
}
