//! Tables in JSON, taken apart row by row while they are read.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::predictor::data::shorten;
use crate::predictor::rows::{Builder, Plan};
use crate::predictor::{BadRequest, Elements, InferRequest, Signature};

/// A row of a table has no more cells than this.
const MOST_CELLS: usize = 1 << 16;

/// A table that grows row by row.
pub struct Table<'a> {
    signature: &'a Signature,
    builder: Option<Builder<'a>>,
    /// How many cells a row has.
    width: Option<usize>,
    rows: usize,
}

impl<'a> Table<'a> {
    /// A table whose rows are taken in the order of the inputs.
    pub fn unnamed(signature: &'a Signature) -> Self {
        Self { signature, builder: None, width: None, rows: 0 }
    }

    /// A table whose rows have so many cells, which the plan takes apart.
    pub(in crate::predictor) fn planned(signature: &'a Signature, plan: Plan, width: usize) -> Self {
        Self { builder: Some(Builder::new(signature, plan)), width: Some(width), ..Self::unnamed(signature) }
    }

    fn push(&mut self, cells: &[Cell]) -> Result<(), BadRequest> {
        let row = self.rows;
        let width = *self.width.get_or_insert(cells.len());
        if cells.len() != width {
            let found = cells.len();
            return Err(BadRequest::new(format!("row {row} has {found} values, and there are {width} columns")));
        }
        let builder = match &mut self.builder {
            Some(builder) => builder,
            None => self.builder.insert(Builder::new(self.signature, Plan::by_order(self.signature, width, "value")?)),
        };
        self.rows += 1;
        builder.row(|source, elements| {
            cells[source].push(elements).map_err(|why| format!("row {row}, value {source} {why}"))
        })
    }

    pub fn finish(self) -> Result<InferRequest, BadRequest> {
        self.builder.ok_or_else(|| BadRequest::new("there are no rows"))?.finish()
    }
}

impl<'de> Visitor<'de> for &mut Table<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let most = self.width.unwrap_or(MOST_CELLS);
        let mut cells = Vec::new();
        while list.next_element_seed(Row { cells: &mut cells, most })?.is_some() {
            self.push(&cells).map_err(de::Error::custom)?;
        }
        Ok(())
    }
}

/// One row as a list of cells.
struct Row<'a> {
    cells: &'a mut Vec<Cell>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, which is a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { cells, most } = self;
        cells.clear();
        while let Some(cell) = list.next_element()? {
            if cells.len() == most {
                return Err(de::Error::custom(format_args!("a row has more than {most} values")));
            }
            cells.push(cell);
        }
        Ok(())
    }
}

/// A table of objects; the first one names the columns.
pub struct Records<'a> {
    table: Table<'a>,
    places: Option<HashMap<String, usize>>,
}

impl<'a> Records<'a> {
    pub fn new(signature: &'a Signature) -> Self {
        Self { table: Table::unnamed(signature), places: None }
    }

    pub fn finish(self) -> Result<InferRequest, BadRequest> {
        self.table.finish()
    }
}

impl<'de> Visitor<'de> for &mut Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Record { records: &mut *self })?.is_some() {}
        Ok(())
    }
}

struct Record<'r, 'a> {
    records: &'r mut Records<'a>,
}

impl<'de> DeserializeSeed<'de> for Record<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Record<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Records { table, places } = self.records;
        let row = table.rows;
        let Some(places) = places else {
            let (mut names, mut cells) = (Vec::<String>::new(), Vec::new());
            while let Some((name, cell)) = map.next_entry::<String, Cell>()? {
                if names.len() == MOST_CELLS {
                    return Err(de::Error::custom(format_args!("a record has more than {MOST_CELLS} values")));
                }
                names.push(name);
                cells.push(cell);
            }
            let header: Vec<&str> = names.iter().map(String::as_str).collect();
            let plan = Plan::by_names(table.signature, &header).map_err(de::Error::custom)?;
            table.builder = Some(Builder::new(table.signature, plan));
            *places = Some(names.into_iter().enumerate().map(|(place, name)| (name, place)).collect());
            return table.push(&cells).map_err(de::Error::custom);
        };
        let mut cells: Vec<Option<Cell>> = Vec::new();
        cells.resize_with(places.len(), || None);
        while let Some(name) = map.next_key::<String>()? {
            match places.get(&name) {
                Some(place) => cells[*place] = Some(map.next_value()?),
                None => drop(map.next_value::<de::IgnoredAny>()?),
            }
        }
        let missing = |place: usize| {
            let name = places.iter().find(|(_, other)| **other == place).map_or("?", |(name, _)| name);
            de::Error::custom(format_args!("row {row} has no `{}`", shorten(name)))
        };
        let cells: Vec<Cell> = cells
            .into_iter()
            .enumerate()
            .map(|(place, cell)| cell.ok_or_else(|| missing(place)))
            .collect::<Result<_, A::Error>>()?;
        table.push(&cells).map_err(de::Error::custom)
    }
}

/// One value of a table.
enum Cell {
    Missing,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
}

impl Cell {
    fn push(&self, elements: &mut Elements) -> Result<(), String> {
        match self {
            Self::Missing => elements.push_missing(),
            Self::Bool(value) => elements.push_bool(*value),
            Self::Integer(value) => elements.push_integer(*value),
            Self::Float(value) => elements.push_float(*value),
            Self::Text(value) => elements.push_string(value),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl Visitor<'_> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a string, true, false or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
        Ok(Cell::Missing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Integer(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cell, E> {
        Ok(Cell::Integer(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_owned()))
    }
}
