//! Reading tensors from JSON straight into their elements: no tree of values stands between body and tensor.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{BadRequest, Datatype, Elements, NamedTensor, Tensor};

/// Room is made for at most so many elements before they are there: a shape is only a claim.
const MOST_FORESEEN: usize = 1 << 16;
/// As JSON.
const LARGEST_PARAMETERS: usize = 64 << 10;

/// A tensor as JSON says it; its elements may stand in binary after the JSON.
pub struct Head {
    pub name: String,
    pub shape: Vec<usize>,
    pub datatype: Datatype,
    pub data: Source,
}

/// Where the elements of a tensor are.
pub enum Source {
    Here(Elements),
    /// So many bytes after the JSON, behind those of the tensors before it.
    Binary(usize),
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TensorVisitor)
    }
}

impl<'de> Deserialize<'de> for NamedTensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Head { name, shape, data, .. } = Head::deserialize(deserializer)?;
        match data {
            Source::Here(data) => Ok(Self { name, shape, data }),
            Source::Binary(_) => Err(D::Error::custom(format_args!("tensor `{name}` has no data"))),
        }
    }
}

/// The names of requested outputs, `[{"name": "label"}]`.
pub fn output_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct Output {
        name: String,
    }
    let outputs = Option::<Vec<Output>>::deserialize(deserializer)?;
    Ok(outputs.unwrap_or_default().into_iter().map(|output| output.name).collect())
}

/// Parameters, which may be `null` and must be small: they become a tree of values.
pub fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let Some(raw) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(Map::new()) };
    if raw.get().len() > LARGEST_PARAMETERS {
        return Err(D::Error::custom(format_args!("the parameters have more than {LARGEST_PARAMETERS} bytes")));
    }
    serde_json::from_str(raw.get()).map_err(D::Error::custom)
}

/// The elements for an input, flat or nested or a single one, and the shape in which they were found.
pub fn elements(input: &Tensor, raw: &RawValue) -> Result<(Elements, Vec<usize>), BadRequest> {
    let Tensor { name, datatype, .. } = input;
    let unreadable = |error| BadRequest::new(format!("the request can't be read: {error}"));
    let seed = DataSeed { name, datatype: *datatype, foreseen: 0 };
    let Collected { elements, lengths } = match raw.get().starts_with('[') {
        true => seed.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(unreadable)?,
        false => {
            let list = format!("[{raw}]");
            seed.deserialize(&mut serde_json::Deserializer::from_str(&list)).map_err(unreadable)?
        }
    };
    Ok((elements, if raw.get().starts_with('[') { lengths } else { Vec::new() }))
}

/// How many elements a tensor of this shape has; `None` where that is more than can be counted.
pub fn count(shape: &[usize]) -> Option<usize> {
    // A dimension of 0 makes no sense of the others any better.
    shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length))
}

/// Why a tensor of this shape can't be.
pub fn uncountable(shape: &[usize]) -> String {
    format!("has shape {shape:?}, which is more than memory can hold")
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Name,
    Datatype,
    Shape,
    Data,
    Parameters,
    #[serde(other)]
    Other,
}

/// The parameters of a tensor that mean something here.
#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data_size: Option<usize>,
}

struct TensorVisitor;

impl<'de> Visitor<'de> for TensorVisitor {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor: an object with name, datatype, shape and data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let (mut name, mut datatype, mut shape) = (None::<String>, None::<Datatype>, None::<Vec<usize>>);
        let (mut data, mut early_data) = (None::<Collected>, None::<Box<RawValue>>);
        let mut parameters = None::<Option<Parameters>>;
        while let Some(field) = map.next_key()? {
            match field {
                Field::Name => set(&mut name, map.next_value()?, "name")?,
                Field::Datatype => set(&mut datatype, map.next_value()?, "datatype")?,
                Field::Shape => set(&mut shape, map.next_value_seed(ShapeSeed)?, "shape")?,
                Field::Data if data.is_some() || early_data.is_some() => return Err(A::Error::duplicate_field("data")),
                Field::Data => match datatype {
                    Some(datatype) => {
                        let foreseen = shape.as_deref().and_then(count).unwrap_or(0).min(MOST_FORESEEN);
                        let name = name.as_deref().unwrap_or("?");
                        data = Some(map.next_value_seed(DataSeed { name, datatype, foreseen })?);
                    }
                    None => early_data = Some(map.next_value()?),
                },
                Field::Parameters => set(&mut parameters, map.next_value()?, "parameters")?,
                Field::Other => drop(map.next_value::<de::IgnoredAny>()?),
            }
        }
        let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
        let missing = |field| A::Error::custom(format_args!("tensor `{name}` has no {field}"));
        let datatype = datatype.ok_or_else(|| missing("datatype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let binary = parameters.flatten().unwrap_or_default().binary_data_size;
        let seed = DataSeed { name: &name, datatype, foreseen: 0 };
        let data = match (data, early_data, binary) {
            (None, None, Some(bytes)) => return Ok(Head { name, shape, datatype, data: Source::Binary(bytes) }),
            (Some(data), _, None) => data,
            (None, Some(raw), None) => {
                seed.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(A::Error::custom)?
            }
            (None, None, None) => return Err(missing("data")),
            (_, _, Some(_)) => {
                return Err(A::Error::custom(format_args!("tensor `{name}` has data both in JSON and in binary")));
            }
        };
        let elements = data.shaped(&shape).map_err(|why| A::Error::custom(format_args!("tensor `{name}` {why}")))?;
        Ok(Head { name, shape, datatype, data: Source::Here(elements) })
    }
}

fn set<T, E: de::Error>(field: &mut Option<T>, value: T, name: &'static str) -> Result<(), E> {
    field.replace(value).map_or(Ok(()), |_| Err(E::duplicate_field(name)))
}

struct ShapeSeed;

impl<'de> DeserializeSeed<'de> for ShapeSeed {
    type Value = Vec<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<usize>, D::Error> {
        let lengths = Vec::<i64>::deserialize(deserializer)?;
        let length = |length: i64| {
            usize::try_from(length)
                .map_err(|_| D::Error::custom(format_args!("the shape {lengths:?} has a dimension below 0")))
        };
        lengths.iter().map(|one| length(*one)).collect()
    }
}

/// Elements as they were found, and the form they were found in.
struct Collected {
    elements: Elements,
    /// The length of the lists at each depth of nesting; all lists of one depth have the same.
    lengths: Vec<usize>,
}

impl Collected {
    fn shaped(self, shape: &[usize]) -> Result<Elements, String> {
        let Self { elements, lengths } = self;
        let wanted = count(shape).ok_or_else(|| uncountable(shape))?;
        let found = elements.len();
        if found != wanted {
            return Err(format!("has shape {shape:?}, which is {wanted} elements, and its data has {found}"));
        }
        // A list of no lists has no depth to compare.
        if lengths.len() > 1 && found > 0 && lengths != shape {
            return Err(format!("has shape {shape:?}, and its data is nested as {lengths:?}"));
        }
        Ok(elements)
    }
}

/// Reads the data of a tensor whose datatype is known.
struct DataSeed<'a> {
    name: &'a str,
    datatype: Datatype,
    foreseen: usize,
}

impl<'de> DeserializeSeed<'de> for DataSeed<'_> {
    type Value = Collected;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Collected, D::Error> {
        let mut collector = Collector {
            name: self.name,
            elements: Elements::with_capacity(self.datatype, self.foreseen),
            lengths: Vec::new(),
            leaf_depth: None,
        };
        deserializer.deserialize_seq(List { collector: &mut collector, depth: 0 })?;
        let lengths = collector.lengths.iter().map(|length| length.unwrap_or(0)).collect();
        Ok(Collected { elements: collector.elements, lengths })
    }
}

struct Collector<'a> {
    name: &'a str,
    elements: Elements,
    lengths: Vec<Option<usize>>,
    /// How deep the elements lie.
    leaf_depth: Option<usize>,
}

impl Collector<'_> {
    fn push<E: de::Error>(
        &mut self,
        depth: usize,
        push: impl FnOnce(&mut Elements) -> Result<(), String>,
    ) -> Result<(), E> {
        if *self.leaf_depth.get_or_insert(depth) != depth {
            return Err(E::custom(format_args!("the data of `{}` mixes lists and elements", self.name)));
        }
        let index = self.elements.len();
        push(&mut self.elements).map_err(|why| E::custom(format_args!("element {index} of `{}` {why}", self.name)))
    }

    fn end_list<E: de::Error>(&mut self, depth: usize, length: usize) -> Result<(), E> {
        if self.lengths.len() <= depth {
            self.lengths.resize(depth + 1, None);
        }
        match *self.lengths[depth].get_or_insert(length) {
            first if first == length => Ok(()),
            first => Err(E::custom(format_args!(
                "the data of `{}` has lists of different lengths side by side: {first} and {length}",
                self.name
            ))),
        }
    }
}

/// One list of the data, at some depth.
struct List<'a, 'b> {
    collector: &'a mut Collector<'b>,
    depth: usize,
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of elements, flat or nested as the shape says")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { collector, depth } = self;
        let mut length = 0;
        while list.next_element_seed(Item { collector: &mut *collector, depth })?.is_some() {
            length += 1;
        }
        collector.end_list(depth, length)
    }
}

/// An element of a list, or a list in it.
struct Item<'a, 'b> {
    collector: &'a mut Collector<'b>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a string, true, false, null or a list of them")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.collector.push(self.depth, |elements| elements.push_float(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.collector.push(self.depth, |elements| elements.push_integer(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.collector.push(self.depth, |elements| elements.push_integer(value.into()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.collector.push(self.depth, |elements| elements.push_bool(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.collector.push(self.depth, |elements| elements.push_string(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.collector.push(self.depth, Elements::push_missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        List { collector: self.collector, depth: self.depth + 1 }.visit_seq(list)
    }
}
