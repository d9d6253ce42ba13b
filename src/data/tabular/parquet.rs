//! Parquet: what the footer says of rows, columns and their ranges. The pages with the values are not read.

use std::io::Read;

use anyhow::Context;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

use super::column::Column;
use super::source::{Counter, Source};
use super::{MOST_COLUMNS, Table};
use crate::{Error, Result};

/// What ends a Parquet file, after the length of the footer in four bytes.
const MARK: &[u8] = b"PAR1";
/// What stands there instead where the footer is encrypted.
const ENCRYPTED: &[u8] = b"PARE";
/// The largest footer that is looked at.
pub const LARGEST_FOOTER: usize = 32 << 20;

/// Reads to the end and keeps the footer. An object is checked that way, too.
pub fn table(source: Source, counter: &Counter, go_on: &dyn Fn() -> Result<()>) -> Result<Table> {
    let mut stream = source.open(counter)?;
    let mut end = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = stream.read(&mut buffer).context("it can't be read")?;
        if count == 0 {
            break;
        }
        end.extend_from_slice(&buffer[..count]);
        if end.len() > 2 * LARGEST_FOOTER {
            end.drain(..end.len() - LARGEST_FOOTER);
            go_on()?;
        }
    }
    let metadata = ParquetMetaDataReader::decode_metadata(footer(&end)?)
        .map_err(|error| Error::failed(format!("its Parquet footer can't be read: {error}")))?;
    if metadata.file_metadata().schema_descr().num_columns() > MOST_COLUMNS {
        return Err(Error::failed(format!("it has more than {MOST_COLUMNS} columns")));
    }
    Ok(Table {
        rows: u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0),
        columns: columns(&metadata),
        notes: Vec::new(),
    })
}

pub fn footer(end: &[u8]) -> Result<&[u8]> {
    let not = || Error::failed("it does not end like a Parquet file");
    let (before, mark) = end.split_last_chunk::<4>().ok_or_else(not)?;
    if mark == ENCRYPTED {
        return Err(Error::failed("its Parquet footer is encrypted"));
    }
    let (before, length) = before.split_last_chunk::<4>().filter(|_| mark == MARK).ok_or_else(not)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > LARGEST_FOOTER {
        return Err(Error::failed(format!("its Parquet footer is larger than {} MiB", LARGEST_FOOTER >> 20)));
    }
    let start = before.len().checked_sub(length).ok_or_else(not)?;
    Ok(&before[start..])
}

fn columns(metadata: &ParquetMetaData) -> Vec<Column> {
    let described = metadata.file_metadata().schema_descr().columns();
    let column = |(place, described): (usize, &std::sync::Arc<ColumnDescriptor>)| {
        let chunks = || metadata.row_groups().iter().map(move |group| group.columns().get(place)?.statistics());
        let empty = chunks().map(|statistics| statistics?.null_count_opt()).sum::<Option<u64>>();
        let range =
            is_number(described).then(|| chunks().map(|statistics| bounds(statistics?)).collect::<Option<Vec<_>>>());
        let range = range.flatten().unwrap_or_default();
        Column {
            name: crate::fs::escape(described.path().string().as_bytes()),
            kind: kind(described),
            empty,
            minimum: range.iter().map(|(minimum, _)| *minimum).reduce(f64::min),
            maximum: range.iter().map(|(_, maximum)| *maximum).reduce(f64::max),
        }
    };
    described.iter().enumerate().map(column).collect()
}

fn kind(column: &ColumnDescriptor) -> String {
    let logical = column.logical_type_ref().and_then(|logical| {
        Some(match logical {
            LogicalType::String => "string".into(),
            LogicalType::Enum => "enum".into(),
            LogicalType::Decimal(decimal) => format!("decimal({}, {})", decimal.precision, decimal.scale),
            LogicalType::Date => "date".into(),
            LogicalType::Time(_) => "time".into(),
            LogicalType::Timestamp(_) => "timestamp".into(),
            LogicalType::Integer(integer) => {
                format!("{}int{}", if integer.is_signed { "" } else { "u" }, integer.bit_width)
            }
            LogicalType::Json => "json".into(),
            LogicalType::Uuid => "uuid".into(),
            LogicalType::Float16 => "float16".into(),
            _ => return None,
        })
    });
    let physical = || match (column.converted_type(), column.physical_type()) {
        (ConvertedType::UTF8, _) => "string",
        (_, Type::BOOLEAN) => "boolean",
        (_, Type::INT32) => "int32",
        (_, Type::INT64) => "int64",
        (_, Type::INT96) => "timestamp",
        (_, Type::FLOAT) => "float",
        (_, Type::DOUBLE) => "double",
        (_, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY) => "bytes",
    };
    logical.unwrap_or_else(|| physical().into())
}

/// Whether the stored numbers are what they mean: those of times and decimals are not.
fn is_number(column: &ColumnDescriptor) -> bool {
    let is_plain = match column.logical_type_ref() {
        Some(logical) => matches!(logical, LogicalType::Integer(integer) if integer.is_signed),
        None => column.converted_type() == ConvertedType::NONE,
    };
    is_plain && matches!(column.physical_type(), Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE)
}

fn bounds(statistics: &Statistics) -> Option<(f64, f64)> {
    match statistics {
        Statistics::Int32(values) => Some((f64::from(*values.min_opt()?), f64::from(*values.max_opt()?))),
        Statistics::Int64(values) => Some((*values.min_opt()? as f64, *values.max_opt()? as f64)),
        Statistics::Float(values) => Some((f64::from(*values.min_opt()?), f64::from(*values.max_opt()?))),
        Statistics::Double(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}
