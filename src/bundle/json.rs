//! JSON as bundles hold it: written in one canonical form, read without duplicate keys.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::BadBundle;

/// A document of a bundle has at most this many bytes; registries refuse larger manifests too.
pub const LARGEST: u64 = 4 << 20;

/// The bytes of a document: keys sorted, no spaces, so that equal values have equal digests.
pub fn canonical(value: &impl Serialize) -> Vec<u8> {
    let mut value = serde_json::to_value(value).expect("the documents of a bundle have text as keys");
    value.sort_all_objects();
    serde_json::to_vec(&value).expect("a JSON value can be written")
}

/// Reads a document; `name` says in errors which one. A key that stands twice is refused, because readers differ in
/// which of the two they believe.
pub fn strict<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T, BadBundle> {
    let value: Unique = serde_json::from_slice(bytes)
        .map_err(|error| BadBundle::new(format_args!("its {name} is unsound: {error}")))?;
    serde_json::from_value(value.0).map_err(|error| BadBundle::new(format_args!("its {name} is unsound: {error}")))
}

/// A JSON value without duplicate keys.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UniqueValue.deserialize(deserializer).map(Self)
    }
}

struct UniqueValue;

impl<'de> DeserializeSeed<'de> for UniqueValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(UniqueValue)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` stands twice")));
            }
            map.insert(key, access.next_value_seed(UniqueValue)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        assert_eq!(
            canonical(&json!({ "b": [{ "d": 1, "c": 2.5 }], "a": null })),
            br#"{"a":null,"b":[{"c":2.5,"d":1}]}"#
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let error = strict::<Value>(text.as_bytes(), "manifest").unwrap_err();
            assert!(error.to_string().contains("the key `a` stands twice"), "{error}");
        }
        assert_eq!(strict::<Value>(br#"{"a":{"a":[-1]}}"#, "manifest").unwrap(), json!({ "a": { "a": [-1] } }));
    }

    #[test]
    fn depth_is_bounded() {
        strict::<Value>("[".repeat(100_000).as_bytes(), "manifest").unwrap_err();
    }
}
