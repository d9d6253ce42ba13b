//! The elements of a tensor: one flat, row-major list of one type.

use std::fmt::Display;

use half::f16;
use serde::ser::Error;
use serde::{Serialize, Serializer};

use super::Datatype;

/// The elements of a tensor, in row-major order.
///
/// As JSON it is one flat array. A floating-point number that JSON can't write (NaN, an infinity) is `null` there; in
/// turn `null` reads as NaN, which is how data without a value is given to models that know about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    Bool(Vec<bool>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fp16(Vec<f16>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bytes(Vec<Vec<u8>>),
}

impl Elements {
    /// An empty list with room for so many elements.
    pub fn with_capacity(datatype: Datatype, capacity: usize) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(Vec::with_capacity(capacity)),
            Datatype::Uint8 => Self::Uint8(Vec::with_capacity(capacity)),
            Datatype::Uint16 => Self::Uint16(Vec::with_capacity(capacity)),
            Datatype::Uint32 => Self::Uint32(Vec::with_capacity(capacity)),
            Datatype::Uint64 => Self::Uint64(Vec::with_capacity(capacity)),
            Datatype::Int8 => Self::Int8(Vec::with_capacity(capacity)),
            Datatype::Int16 => Self::Int16(Vec::with_capacity(capacity)),
            Datatype::Int32 => Self::Int32(Vec::with_capacity(capacity)),
            Datatype::Int64 => Self::Int64(Vec::with_capacity(capacity)),
            Datatype::Fp16 => Self::Fp16(Vec::with_capacity(capacity)),
            Datatype::Fp32 => Self::Fp32(Vec::with_capacity(capacity)),
            Datatype::Fp64 => Self::Fp64(Vec::with_capacity(capacity)),
            Datatype::Bytes => Self::Bytes(Vec::with_capacity(capacity)),
        }
    }

    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Bool(_) => Datatype::Bool,
            Self::Uint8(_) => Datatype::Uint8,
            Self::Uint16(_) => Datatype::Uint16,
            Self::Uint32(_) => Datatype::Uint32,
            Self::Uint64(_) => Datatype::Uint64,
            Self::Int8(_) => Datatype::Int8,
            Self::Int16(_) => Datatype::Int16,
            Self::Int32(_) => Datatype::Int32,
            Self::Int64(_) => Datatype::Int64,
            Self::Fp16(_) => Datatype::Fp16,
            Self::Fp32(_) => Datatype::Fp32,
            Self::Fp64(_) => Datatype::Fp64,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Bool(list) => list.len(),
            Self::Uint8(list) => list.len(),
            Self::Uint16(list) => list.len(),
            Self::Uint32(list) => list.len(),
            Self::Uint64(list) => list.len(),
            Self::Int8(list) => list.len(),
            Self::Int16(list) => list.len(),
            Self::Int32(list) => list.len(),
            Self::Int64(list) => list.len(),
            Self::Fp16(list) => list.len(),
            Self::Fp32(list) => list.len(),
            Self::Fp64(list) => list.len(),
            Self::Bytes(list) => list.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element as text for people; `None` past the end.
    pub fn text(&self, index: usize) -> Option<String> {
        match self {
            Self::Bytes(list) => list.get(index).map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            Self::Bool(list) => list.get(index).map(ToString::to_string),
            Self::Uint8(list) => list.get(index).map(ToString::to_string),
            Self::Uint16(list) => list.get(index).map(ToString::to_string),
            Self::Uint32(list) => list.get(index).map(ToString::to_string),
            Self::Uint64(list) => list.get(index).map(ToString::to_string),
            Self::Int8(list) => list.get(index).map(ToString::to_string),
            Self::Int16(list) => list.get(index).map(ToString::to_string),
            Self::Int32(list) => list.get(index).map(ToString::to_string),
            Self::Int64(list) => list.get(index).map(ToString::to_string),
            Self::Fp16(list) => list.get(index).map(ToString::to_string),
            Self::Fp32(list) => list.get(index).map(ToString::to_string),
            Self::Fp64(list) => list.get(index).map(ToString::to_string),
        }
    }

    /// Whether JSON can carry the elements: byte strings must be text.
    pub fn is_text(&self) -> bool {
        match self {
            Self::Bytes(list) => list.iter().all(|bytes| std::str::from_utf8(bytes).is_ok()),
            _ => true,
        }
    }

    /// Appends the elements of another list of the same type; `false` where it is of another.
    pub fn append(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(list), Self::Bool(more)) => list.extend_from_slice(more),
            (Self::Uint8(list), Self::Uint8(more)) => list.extend_from_slice(more),
            (Self::Uint16(list), Self::Uint16(more)) => list.extend_from_slice(more),
            (Self::Uint32(list), Self::Uint32(more)) => list.extend_from_slice(more),
            (Self::Uint64(list), Self::Uint64(more)) => list.extend_from_slice(more),
            (Self::Int8(list), Self::Int8(more)) => list.extend_from_slice(more),
            (Self::Int16(list), Self::Int16(more)) => list.extend_from_slice(more),
            (Self::Int32(list), Self::Int32(more)) => list.extend_from_slice(more),
            (Self::Int64(list), Self::Int64(more)) => list.extend_from_slice(more),
            (Self::Fp16(list), Self::Fp16(more)) => list.extend_from_slice(more),
            (Self::Fp32(list), Self::Fp32(more)) => list.extend_from_slice(more),
            (Self::Fp64(list), Self::Fp64(more)) => list.extend_from_slice(more),
            (Self::Bytes(list), Self::Bytes(more)) => list.extend_from_slice(more),
            _ => return false,
        }
        true
    }

    /// The elements of this range, which must lie within the list.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Bool(list) => Self::Bool(list[range].to_vec()),
            Self::Uint8(list) => Self::Uint8(list[range].to_vec()),
            Self::Uint16(list) => Self::Uint16(list[range].to_vec()),
            Self::Uint32(list) => Self::Uint32(list[range].to_vec()),
            Self::Uint64(list) => Self::Uint64(list[range].to_vec()),
            Self::Int8(list) => Self::Int8(list[range].to_vec()),
            Self::Int16(list) => Self::Int16(list[range].to_vec()),
            Self::Int32(list) => Self::Int32(list[range].to_vec()),
            Self::Int64(list) => Self::Int64(list[range].to_vec()),
            Self::Fp16(list) => Self::Fp16(list[range].to_vec()),
            Self::Fp32(list) => Self::Fp32(list[range].to_vec()),
            Self::Fp64(list) => Self::Fp64(list[range].to_vec()),
            Self::Bytes(list) => Self::Bytes(list[range].to_vec()),
        }
    }

    /// The elements at these places, which must be there.
    #[must_use]
    pub fn picked(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Bool(list) => Self::Bool(places.map(|place| list[place]).collect()),
            Self::Uint8(list) => Self::Uint8(places.map(|place| list[place]).collect()),
            Self::Uint16(list) => Self::Uint16(places.map(|place| list[place]).collect()),
            Self::Uint32(list) => Self::Uint32(places.map(|place| list[place]).collect()),
            Self::Uint64(list) => Self::Uint64(places.map(|place| list[place]).collect()),
            Self::Int8(list) => Self::Int8(places.map(|place| list[place]).collect()),
            Self::Int16(list) => Self::Int16(places.map(|place| list[place]).collect()),
            Self::Int32(list) => Self::Int32(places.map(|place| list[place]).collect()),
            Self::Int64(list) => Self::Int64(places.map(|place| list[place]).collect()),
            Self::Fp16(list) => Self::Fp16(places.map(|place| list[place]).collect()),
            Self::Fp32(list) => Self::Fp32(places.map(|place| list[place]).collect()),
            Self::Fp64(list) => Self::Fp64(places.map(|place| list[place]).collect()),
            Self::Bytes(list) => Self::Bytes(places.map(|place| list[place].clone()).collect()),
        }
    }

    /// Writes one element, which must be there, as it stands in the list.
    pub fn serialize_element<S: Serializer>(&self, index: usize, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(list) => Text(&list[index]).serialize(serializer),
            Self::Fp16(list) => list[index].to_f32().serialize(serializer),
            Self::Bool(list) => list[index].serialize(serializer),
            Self::Uint8(list) => list[index].serialize(serializer),
            Self::Uint16(list) => list[index].serialize(serializer),
            Self::Uint32(list) => list[index].serialize(serializer),
            Self::Uint64(list) => list[index].serialize(serializer),
            Self::Int8(list) => list[index].serialize(serializer),
            Self::Int16(list) => list[index].serialize(serializer),
            Self::Int32(list) => list[index].serialize(serializer),
            Self::Int64(list) => list[index].serialize(serializer),
            Self::Fp32(list) => list[index].serialize(serializer),
            Self::Fp64(list) => list[index].serialize(serializer),
        }
    }

    /// Appends a whole number, or says why it can't be an element.
    pub fn push_integer(&mut self, value: i128) -> Result<(), String> {
        fn whole<T: TryFrom<i128>>(value: i128, datatype: Datatype) -> Result<T, String> {
            T::try_from(value).map_err(|_| refusal(datatype, value))
        }
        let datatype = self.datatype();
        match self {
            Self::Bool(list) if value == 0 || value == 1 => list.push(value == 1),
            Self::Uint8(list) => list.push(whole(value, datatype)?),
            Self::Uint16(list) => list.push(whole(value, datatype)?),
            Self::Uint32(list) => list.push(whole(value, datatype)?),
            Self::Uint64(list) => list.push(whole(value, datatype)?),
            Self::Int8(list) => list.push(whole(value, datatype)?),
            Self::Int16(list) => list.push(whole(value, datatype)?),
            Self::Int32(list) => list.push(whole(value, datatype)?),
            Self::Int64(list) => list.push(whole(value, datatype)?),
            Self::Fp16(list) if f16::from_f64(value as f64).is_finite() => list.push(f16::from_f64(value as f64)),
            Self::Fp32(list) => list.push(value as f32),
            Self::Fp64(list) => list.push(value as f64),
            Self::Fp16(_) | Self::Bool(_) | Self::Bytes(_) => return Err(refusal(self.datatype(), value)),
        }
        Ok(())
    }

    /// Appends a number, or says why it can't be an element.
    pub fn push_float(&mut self, value: f64) -> Result<(), String> {
        match self {
            // A request is JSON on its way, which has no infinities: there it would turn into a missing value.
            _ if value.is_infinite() => Err("is infinite or too large, which a request can't carry".into()),
            Self::Fp16(_) if f16::from_f64(value).is_infinite() => Err(refusal(Datatype::Fp16, value)),
            Self::Fp16(list) => {
                list.push(f16::from_f64(value));
                Ok(())
            }
            Self::Fp32(_) if (value as f32).is_infinite() => Err(refusal(Datatype::Fp32, value)),
            Self::Fp32(list) => {
                list.push(value as f32);
                Ok(())
            }
            Self::Fp64(list) => {
                list.push(value);
                Ok(())
            }
            // Some clients write every number with a point. Below 2^53 the number is exact; that one may have been the next.
            _ if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => self.push_integer(value as i128),
            _ => Err(refusal(self.datatype(), value)),
        }
    }

    pub fn push_bool(&mut self, value: bool) -> Result<(), String> {
        match self {
            Self::Bool(list) => {
                list.push(value);
                Ok(())
            }
            _ => Err(refusal(self.datatype(), value)),
        }
    }

    pub fn push_string(&mut self, value: &str) -> Result<(), String> {
        match self {
            Self::Bytes(list) => {
                list.push(value.into());
                Ok(())
            }
            _ => Err(refusal(self.datatype(), format_args!("\"{}\"", shorten(value)))),
        }
    }

    /// Appends a missing value, where there is a way to say it.
    pub fn push_missing(&mut self) -> Result<(), String> {
        match self {
            Self::Fp16(list) => list.push(f16::NAN),
            Self::Fp32(list) => list.push(f32::NAN),
            Self::Fp64(list) => list.push(f64::NAN),
            // As an empty cell of a CSV file.
            Self::Bytes(list) => list.push(Vec::new()),
            _ => return Err(format!("has no value, and {} has no way to say that", self.datatype())),
        }
        Ok(())
    }

    /// Appends what this text says, as a cell of a CSV file does.
    pub fn push_text(&mut self, text: &str) -> Result<(), String> {
        if let Self::Bytes(_) = self {
            return self.push_string(text);
        }
        let text = text.trim();
        if let Ok(value) = text.parse::<i128>() {
            return self.push_integer(value);
        }
        match (text, text.parse::<f64>()) {
            ("", _) => self.push_missing(),
            (_, Ok(value)) => self.push_float(value),
            ("true" | "True" | "TRUE", _) => self.push_bool(true),
            ("false" | "False" | "FALSE", _) => self.push_bool(false),
            _ => Err(refusal(self.datatype(), format_args!("\"{}\"", shorten(text)))),
        }
    }
}

fn refusal(datatype: Datatype, value: impl Display) -> String {
    format!("is {value}, which {datatype} can't hold")
}

/// The start of a text that may be long, for a message.
pub(super) fn shorten(text: &str) -> String {
    crate::fs::escape(text.chars().take(40).collect::<String>().as_bytes())
}

impl Serialize for Elements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(list) => serializer.collect_seq(list.iter().map(|bytes| Text(bytes))),
            Self::Fp16(list) => serializer.collect_seq(list.iter().map(|value| value.to_f32())),
            Self::Bool(list) => list.serialize(serializer),
            Self::Uint8(list) => list.serialize(serializer),
            Self::Uint16(list) => list.serialize(serializer),
            Self::Uint32(list) => list.serialize(serializer),
            Self::Uint64(list) => list.serialize(serializer),
            Self::Int8(list) => list.serialize(serializer),
            Self::Int16(list) => list.serialize(serializer),
            Self::Int32(list) => list.serialize(serializer),
            Self::Int64(list) => list.serialize(serializer),
            Self::Fp32(list) => list.serialize(serializer),
            Self::Fp64(list) => list.serialize(serializer),
        }
    }
}

/// A byte string on its way into JSON.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.0);
        serializer.serialize_str(text.map_err(|_| S::Error::custom("a byte string is no UTF-8 text"))?)
    }
}
