//! Tensors on their way into the runtime and back.

use std::fmt::Debug;
use std::hash::Hash;

use anyhow::Context;
use ort::session::SessionInputValue;
use ort::value::{
    IntoTensorElementType, MapValueType, PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef, ValueRef,
    ValueType,
};

use crate::Result;
use crate::predictor::{BadRequest, Datatype, Elements, NamedTensor};

/// What an output is to the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Tensor,
    /// A sequence of maps from class to probability, one a row: what skl2onnx makes of a classifier where nobody tells
    /// it otherwise. Becomes one row of a matrix each, in the order of the classes.
    Maps {
        key: TensorElementType,
    },
}

impl Form {
    /// Form, datatype and shape of a value of this type; `None` for one that has no place in the protocol.
    pub fn of(dtype: &ValueType) -> Option<(Self, Datatype, Vec<i64>)> {
        match dtype {
            ValueType::Tensor { ty, shape, .. } => Some((Self::Tensor, datatype(*ty)?, shape.to_vec())),
            ValueType::Sequence(item) => match **item {
                ValueType::Map { key, value: TensorElementType::Float32 }
                    if matches!(key, TensorElementType::Int64 | TensorElementType::String) =>
                {
                    Some((Self::Maps { key }, Datatype::Fp32, vec![-1, -1]))
                }
                _ => None,
            },
            ValueType::Map { .. } | ValueType::Optional(_) => None,
        }
    }
}

fn datatype(element: TensorElementType) -> Option<Datatype> {
    match element {
        TensorElementType::Bool => Some(Datatype::Bool),
        TensorElementType::Uint8 => Some(Datatype::Uint8),
        TensorElementType::Uint16 => Some(Datatype::Uint16),
        TensorElementType::Uint32 => Some(Datatype::Uint32),
        TensorElementType::Uint64 => Some(Datatype::Uint64),
        TensorElementType::Int8 => Some(Datatype::Int8),
        TensorElementType::Int16 => Some(Datatype::Int16),
        TensorElementType::Int32 => Some(Datatype::Int32),
        TensorElementType::Int64 => Some(Datatype::Int64),
        TensorElementType::Float16 => Some(Datatype::Fp16),
        TensorElementType::Float32 => Some(Datatype::Fp32),
        TensorElementType::Float64 => Some(Datatype::Fp64),
        TensorElementType::String => Some(Datatype::Bytes),
        _ => None,
    }
}

/// The tensor as the runtime takes it: a view of its elements, except for strings.
pub fn to_runtime(tensor: &NamedTensor) -> Result<SessionInputValue<'_>> {
    match &tensor.data {
        Elements::Bytes(list) => {
            let texts = texts(&tensor.name, list)?;
            let strings = Tensor::from_string_array((tensor.shape.clone(), texts.as_slice()));
            Ok(strings.context("the ONNX Runtime does not take the request")?.into())
        }
        _ => Ok(view(tensor).context("the ONNX Runtime does not take the request")?),
    }
}

/// The byte strings as the runtime takes them: text that ends with a zero.
fn texts(name: &str, list: &[Vec<u8>]) -> Result<Vec<String>, BadRequest> {
    let text = |(index, bytes): (usize, &Vec<u8>)| match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        Ok(_) => Err(BadRequest::new(format!("element {index} of `{name}` holds a zero byte, which no string may"))),
        Err(_) => Err(BadRequest::new(format!("element {index} of `{name}` is no UTF-8 text"))),
    };
    list.iter().enumerate().map(text).collect()
}

fn view(tensor: &NamedTensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape.clone();
    Ok(match &tensor.data {
        Elements::Bool(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Uint8(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Uint16(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Uint32(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Uint64(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Int8(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Int16(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Int32(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Int64(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Fp16(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Fp32(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Fp64(list) => TensorRef::from_array_view((shape, list.as_slice()))?.into(),
        Elements::Bytes(_) => return Err(ort::Error::new("byte strings have no view")),
    })
}

/// What the runtime gave, as a tensor under this name.
pub fn from_runtime(name: &str, form: Form, value: &ValueRef<'_>) -> Result<NamedTensor> {
    let read = match form {
        Form::Tensor => tensor(name, value),
        Form::Maps { key: TensorElementType::String } => maps::<String>(name, value),
        Form::Maps { .. } => maps::<i64>(name, value),
    };
    read.with_context(|| format!("cannot read the output `{name}` of the model")).map_err(Into::into)
}

fn tensor(name: &str, value: &ValueRef<'_>) -> ort::Result<NamedTensor> {
    fn read<T: PrimitiveTensorElementType + Copy>(
        value: &ValueRef<'_>,
        wrap: fn(Vec<T>) -> Elements,
    ) -> ort::Result<Elements> {
        value.try_extract_tensor::<T>().map(|(_, list)| wrap(list.to_vec()))
    }
    let data = match value.data_type() {
        TensorElementType::Bool => read(value, Elements::Bool)?,
        TensorElementType::Uint8 => read(value, Elements::Uint8)?,
        TensorElementType::Uint16 => read(value, Elements::Uint16)?,
        TensorElementType::Uint32 => read(value, Elements::Uint32)?,
        TensorElementType::Uint64 => read(value, Elements::Uint64)?,
        TensorElementType::Int8 => read(value, Elements::Int8)?,
        TensorElementType::Int16 => read(value, Elements::Int16)?,
        TensorElementType::Int32 => read(value, Elements::Int32)?,
        TensorElementType::Int64 => read(value, Elements::Int64)?,
        TensorElementType::Float16 => read(value, Elements::Fp16)?,
        TensorElementType::Float32 => read(value, Elements::Fp32)?,
        TensorElementType::Float64 => read(value, Elements::Fp64)?,
        TensorElementType::String => {
            Elements::Bytes(value.try_extract_strings()?.1.into_iter().map(String::into_bytes).collect())
        }
        other => return Err(ort::Error::new(format!("it is a tensor of {other}"))),
    };
    let shape = value.shape().iter().map(|length| usize::try_from(*length).unwrap_or(0)).collect();
    Ok(NamedTensor { name: name.to_owned(), shape, data })
}

fn maps<K>(name: &str, value: &ValueRef<'_>) -> ort::Result<NamedTensor>
where
    K: IntoTensorElementType + Debug + Clone + Hash + Ord,
{
    let rows = value.try_extract_sequence::<MapValueType<K, f32>>()?;
    let mut list = Vec::new();
    let mut classes = None;
    for row in &rows {
        let mut cells = row.try_extract_key_values::<K, f32>()?;
        cells.sort_by(|a, b| a.0.cmp(&b.0));
        if *classes.get_or_insert(cells.len()) != cells.len() {
            return Err(ort::Error::new("its rows have different classes"));
        }
        list.extend(cells.into_iter().map(|(_, probability)| probability));
    }
    let shape = vec![rows.len(), classes.unwrap_or(0)];
    Ok(NamedTensor { name: name.to_owned(), shape, data: Elements::Fp32(list) })
}
