//! Digests of single columns, for who depends on these alone.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader};

use super::delimited::Delimited;
use super::parquet::{LARGEST_FOOTER, footer};
use super::source::{Counter, Source};
use super::{Format, MOST_COLUMNS};
use crate::digest::Hasher;
use crate::error::did_you_mean;
use crate::fs::quote;
use crate::{Digest, Error, Result};

/// So many rows are read before anybody is asked whether to go on.
const STRIDE: u64 = 64 << 10;

/// The digest of each of these columns of a CSV or Parquet file, in their order. `go_on` is asked now and then, and ends the
/// work with its error.
///
/// The digest of a CSV column is that of its values, however they are quoted. Of Parquet it is that of the column's pages as
/// they are: a file that was written in another way has another one.
///
/// # Errors
/// Where a column is not there, and where the file is no table.
pub fn column_digests(file: &Path, columns: &[String], go_on: &dyn Fn() -> Result<()>) -> Result<Vec<Digest>> {
    match Format::of(file.as_os_str().as_bytes()) {
        Some(Format::Csv) => of_csv(file, columns, go_on),
        Some(Format::Parquet) => of_parquet(file, columns, go_on),
        _ => Err(Error::usage("it is neither CSV nor Parquet by its name")
            .with_hint("columns are those of `.csv`, `.tsv` and `.parquet`; depend on the whole file instead")),
    }
}

fn missing<'a>(column: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    Error::usage(format!("it has no column `{}`", crate::fs::escape(column.as_bytes())))
        .with_hint(did_you_mean(column, known))
}

fn of_csv(file: &Path, columns: &[String], go_on: &dyn Fn() -> Result<()>) -> Result<Vec<Digest>> {
    let stream = Source::File(file.to_path_buf()).open(&Counter::default())?;
    let mut table = Delimited::open(stream, file.as_os_str().as_bytes())?;
    let place = |column: &String| {
        let names = table.names();
        let place = names.iter().position(|name| name == column);
        place.ok_or_else(|| missing(column, names.iter().map(String::as_str)))
    };
    let mut hashers =
        columns.iter().map(|column| Ok((place(column)?, Hasher::new()))).collect::<Result<Vec<(usize, Hasher)>>>()?;
    let mut rows = 0_u64;
    while let Some(record) = table.record()? {
        for (place, hasher) in &mut hashers {
            // A row that is too short has no value there, which is not the same as an empty one.
            let value = record.get(*place);
            hasher.update(&value.map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
            hasher.update(value.unwrap_or_default());
        }
        rows += 1;
        if rows.is_multiple_of(STRIDE) {
            go_on()?;
        }
    }
    Ok(hashers.into_iter().map(|(_, hasher)| hasher.finish().0).collect())
}

fn of_parquet(file: &Path, columns: &[String], go_on: &dyn Fn() -> Result<()>) -> Result<Vec<Digest>> {
    let cannot = || format!("cannot read `{}`", quote(file));
    let mut reader = File::open(file).with_context(cannot)?;
    let size = reader.metadata().with_context(cannot)?.len();
    let start = size.saturating_sub(LARGEST_FOOTER as u64 + 8);
    reader.seek(SeekFrom::Start(start)).with_context(cannot)?;
    let mut end = Vec::new();
    reader.read_to_end(&mut end).with_context(cannot)?;
    let metadata = ParquetMetaDataReader::decode_metadata(footer(&end)?)
        .map_err(|error| Error::failed(format!("its Parquet footer can't be read: {error}")))?;
    let leaves = metadata.file_metadata().schema_descr().columns();
    if leaves.len() > MOST_COLUMNS {
        return Err(Error::failed(format!("it has more than {MOST_COLUMNS} columns")));
    }
    let mut digests = Vec::with_capacity(columns.len());
    for column in columns {
        let is_of = |path: &str| path == column || path.strip_prefix(column).is_some_and(|rest| rest.starts_with('.'));
        let mut hasher = Hasher::new();
        let mut is_there = false;
        for (place, leaf) in leaves.iter().enumerate().filter(|(_, leaf)| is_of(&leaf.path().string())) {
            is_there = true;
            let kind = format!("{:?} {:?}\0", leaf.physical_type(), leaf.converted_type());
            hasher.update(format!("{}\0{kind}", leaf.path().string()).as_bytes());
            for group in metadata.row_groups() {
                let chunk = group.columns().get(place).and_then(|chunk| extent(chunk, size));
                let (start, length) = chunk.ok_or_else(|| Error::failed("its Parquet footer contradicts itself"))?;
                hasher.update(&group.num_rows().to_le_bytes());
                reader.seek(SeekFrom::Start(start)).with_context(cannot)?;
                hash(&mut reader, length, &mut hasher, go_on, &cannot)?;
            }
        }
        if !is_there {
            let roots: Vec<String> = leaves.iter().map(|leaf| leaf.path().string()).collect();
            return Err(missing(column, roots.iter().map(String::as_str)));
        }
        digests.push(hasher.finish().0);
    }
    Ok(digests)
}

/// Where the pages of a column lie, in a file of this size; `None` where that can't be.
fn extent(chunk: &ColumnChunkMetaData, size: u64) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (start, length) = (u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?);
    (start.checked_add(length)? <= size).then_some((start, length))
}

/// So many bytes from where the file stands.
fn hash(
    file: &mut File,
    length: u64,
    hasher: &mut Hasher,
    go_on: &dyn Fn() -> Result<()>,
    cannot: &dyn Fn() -> String,
) -> Result<()> {
    let mut left = file.take(length);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match left.read(&mut buffer).with_context(cannot)? {
            0 if left.limit() > 0 => return Err(Error::failed("it became shorter while it was read")),
            0 => return Ok(()),
            count => hasher.update(&buffer[..count]),
        }
        go_on()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str, columns: &[&str]) -> Result<Vec<Digest>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data.csv");
        std::fs::write(&file, text).unwrap();
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        column_digests(&file, &columns, &|| Ok(()))
    }

    #[test]
    fn a_column_is_its_values_alone() {
        let before = csv("a,b\n1,x\n2,y\n", &["a", "b"]).unwrap();
        let other_column = csv("b,a,c\nx,\"1\",9\ny,2,9\n", &["a", "b"]).unwrap();
        let other_value = csv("a,b\n1,x\n3,y\n", &["a", "b"]).unwrap();

        assert_eq!(before, other_column);
        assert_ne!(before[0], other_value[0]);
        assert_eq!(before[1], other_value[1]);
        assert_ne!(csv("a,b\n1\n", &["b"]).unwrap(), csv("a,b\n1,\n", &["b"]).unwrap());
        assert_ne!(csv("a\nxy\nz\n", &["a"]).unwrap(), csv("a\nx\nyz\n", &["a"]).unwrap());
    }

    #[test]
    fn a_parquet_column_is_its_pages_alone() {
        use std::sync::Arc;

        use ::parquet::data_type::Int64Type;
        use ::parquet::file::writer::SerializedFileWriter;
        use ::parquet::schema::parser::parse_message_type;

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.parquet");
        let digests = |columns: &[(&str, [i64; 2])], asked: &[&str]| {
            let fields: String = columns.iter().map(|(name, _)| format!("required int64 {name}; ")).collect();
            let schema = Arc::new(parse_message_type(&format!("message m {{ {fields} }}")).unwrap());
            let mut bytes = Vec::new();
            let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            for (_, values) in columns {
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<Int64Type>().write_batch(values, None, None).unwrap();
                column.close().unwrap();
            }
            group.close().unwrap();
            writer.close().unwrap();
            std::fs::write(&file, bytes).unwrap();
            let asked: Vec<String> = asked.iter().map(|column| (*column).to_owned()).collect();
            column_digests(&file, &asked, &|| Ok(()))
        };

        let before = digests(&[("a", [1, 2]), ("b", [3, 4])], &["a", "b"]).unwrap();
        let after = digests(&[("new", [9, 9]), ("a", [1, 2]), ("b", [3, 5])], &["a", "b"]).unwrap();

        assert_eq!(before[0], after[0]);
        assert_ne!(before[1], after[1]);
        assert!(digests(&[("a", [1, 2])], &["b"]).unwrap_err().to_string().contains("it has no column `b`"));
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let error = csv("age,fare\n1,2\n", &["agee"]).unwrap_err();

        assert_eq!(
            (error.to_string().as_str(), error.hint()),
            ("it has no column `agee`", Some("did you mean `age`?"))
        );
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("a.parquet", "PAR1"), ("b.parquet", ""), ("c.txt", "a,b"), ("d.parquet", "PAR1\0\0\0\x7fPAR1")]
        {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            assert!(column_digests(&file, &["a".into()], &|| Ok(())).is_err(), "{name}");
        }
    }
}
